"""The bank: one database, one function that moves money and one that only looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Duration, Stack
from aws_cdk import aws_lambda as lambda_

from blocks import Access, DistributedDatabase

if TYPE_CHECKING:
    from constructs import Construct

HERE = Path(__file__).parent


class BankStack(Stack):
    """A cluster with its migrations, and two functions that log in as two different database roles."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        db = DistributedDatabase(self, "main", migrations=HERE / "migrations")
        db.grant_connect(self.function("Transfer", "transfer.handler"))
        db.grant_connect(self.function("Accounts", "accounts.handler"), access=Access.READ_ONLY)

    def function(self, id: str, handler: str) -> lambda_.Function:
        return lambda_.Function(
            self,
            id,
            runtime=lambda_.Runtime.PYTHON_3_14,
            code=lambda_.Code.from_asset(str(HERE / "functions"), exclude=["**/__pycache__"]),
            handler=handler,
            memory_size=512,
            timeout=Duration.seconds(30),
        )
