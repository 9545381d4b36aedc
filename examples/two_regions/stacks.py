"""A hotel in two Regions: one database, an endpoint and the same functions in each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from blocks import Access, DistributedDatabase, MultiRegion

if TYPE_CHECKING:
    from aws_cdk import App

HERE = Path(__file__).parent
HOME, PEER, WITNESS = "us-east-1", "us-east-2", "us-west-2"


class HotelStack(Stack):
    """The functions of one Region; the database is created in the first of two stacks."""

    def __init__(self, scope: App, id: str, *, account: str, region: str) -> None:
        super().__init__(scope, id, env={"account": account, "region": region})
        self.book = self.function("Book", "book.handler")
        self.rooms = self.function("Rooms", "rooms.handler")

    def function(self, id: str, handler: str) -> lambda_.Function:
        """Create a function with its own least-privilege role and log group."""
        log_group = logs.LogGroup(
            self, f"{id}Log", retention=logs.RetentionDays.ONE_MONTH, removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(self, f"{id}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        return lambda_.Function(
            self,
            id,
            runtime=lambda_.Runtime.PYTHON_3_14,
            code=lambda_.Code.from_asset(str(HERE / "functions"), exclude=["**/__pycache__"]),
            handler=handler,
            memory_size=512,
            timeout=Duration.seconds(30),
            role=role,
            log_group=log_group,
        )


def add_hotel(app: App, account: str, removal_policy: RemovalPolicy | None = None) -> DistributedDatabase:
    """Add both stacks to the app: Ohio is deployed first, then Virginia, which runs the migrations."""
    ohio = HotelStack(app, "HotelOhio", account=account, region=PEER)
    virginia = HotelStack(app, "HotelVirginia", account=account, region=HOME)
    db = DistributedDatabase(
        virginia,
        "main",
        migrations=HERE / "migrations",
        multi_region=MultiRegion(peer=ohio, witness_region=WITNESS),
        removal_policy=removal_policy,
    )
    for stack in (virginia, ohio):
        db.grant_connect(stack.book)
        db.grant_connect(stack.rooms, access=Access.READ_ONLY)
    return db
