"""WorldSeat in two Regions: a database, a page and a URL in each, and DynamoDB tables to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, CfnOutput, Fn, RemovalPolicy, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from blocks import AtomicTable, DatabaseRole, DistributedDatabase, MultiRegion, Privilege
from examples.logged_function import LoggedFunction
from examples.worldseat.regions import HOME, PEER, WITNESS

if TYPE_CHECKING:
    from aws_cdk import App

HERE = Path(__file__).parent


SALES = DatabaseRole(
    "sales",
    {
        "seats": {Privilege.SELECT, Privilege.UPDATE},
        "ledger": {Privilege.SELECT, Privilege.INSERT},
        "regions": {Privilege.SELECT, Privilege.INSERT, Privilege.UPDATE},
    },
)
"""Privileges of the function: the ledger is append-only, as no privilege changes or deletes its rows."""

REPLICA_ACTIONS = ("BatchWriteItem", "ConditionCheckItem", "GetItem", "PutItem", "Query")


@dataclass(frozen=True)
class Limits:
    """Requests of one client in a minute; all clients together have five times as many in each Region."""

    buys: int = 60
    bursts: int = 12
    """Bursts, and in addition as many resets."""


class WorldSeatStack(Stack):
    """The function of one Region with its URL and its rate limit."""

    def __init__(
        self,
        scope: App,
        id: str,
        *,
        account: str,
        region: str,
        limits: Limits,
        removal_policy: RemovalPolicy | None,
    ) -> None:
        super().__init__(scope, id, env={"account": account, "region": region})
        self.web = LoggedFunction(
            self, "Web", folder=HERE / "functions", handler="sale.web.handler", memory_size=1024, timeout=120
        )
        self.web.add_environment("WORLDSEAT_BUYS", str(limits.buys))
        self.web.add_environment("WORLDSEAT_BURSTS", str(limits.bursts))
        # A table for each Region: a limit that needs the other Region would end the sale with it.
        AtomicTable(self, "limits", removal_policy=removal_policy).grant_read_write(self.web)
        # Public: the page of one Region calls the function of the other. There are no cookies and no credentials.
        self.url = self.web.add_function_url(
            auth_type=lambda_.FunctionUrlAuthType.NONE,
            cors=lambda_.FunctionUrlCorsOptions(
                allowed_origins=["*"],
                allowed_methods=[lambda_.HttpMethod.GET, lambda_.HttpMethod.POST],
                allowed_headers=["content-type"],
            ),
        )
        self.output = CfnOutput(self, "Url", value=self.url.url)


def add_worldseat(
    app: App, account: str, *, limits: Limits | None = None, removal_policy: RemovalPolicy | None = None
) -> DistributedDatabase:
    """Add both stacks to the app: Ohio is deployed first, then Virginia, which runs the migrations."""
    stacks = [
        WorldSeatStack(
            app,
            id,
            account=account,
            region=region,
            limits=limits or Limits(),
            removal_policy=removal_policy,
        )
        for id, region in (("WorldSeatOhio", PEER), ("WorldSeatVirginia", HOME))
    ]
    ohio, virginia = stacks
    db = DistributedDatabase(
        virginia,
        "main",
        migrations=HERE / "migrations",
        multi_region=MultiRegion(peer=ohio, witness_region=WITNESS),
        removal_policy=removal_policy,
    )
    seats = AtomicTable(virginia, "seats", removal_policy=removal_policy)
    replicated = AtomicTable(virginia, "replicated", replicas=[PEER], removal_policy=removal_policy)
    Validations.of(replicated).acknowledge(
        Acknowledgment(
            id="@blocks/table:eventualReplication",
            reason="The example shows the double sales of eventual replication.",
        )
    )
    for stack in stacks:
        db.grant_connect(stack.web, access=SALES)
        seats.grant_read_write(stack.web)
        grant_replica(replicated, stack.web, stack.region)
    virginia.web.add_environment("WORLDSEAT_PEER_REGION", PEER)
    virginia.web.add_environment(
        "WORLDSEAT_PEER_URL", Fn.get_stack_output(ohio.stack_name, ohio.output.logical_id, PEER)
    )
    return db


def grant_replica(table: AtomicTable, function: lambda_.Function, region: str) -> None:
    """Let a function write into the replica of its own Region, which `grant_read_write` refuses to do.

    Replication is eventual, and the last writer wins. This is the mistake that the example compares with.
    """
    iam.Grant.add_to_principal(
        grantee=function,
        actions=[f"dynamodb:{action}" for action in REPLICA_ACTIONS],
        resource_arns=[table.arn_in(region)],
    )
    function.add_environment("BLOCKS_REPLICATED_TABLE", table.table_name)
    function.add_environment("BLOCKS_REPLICATED_REGION", region)
