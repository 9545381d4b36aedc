"""The bank: one database, a function that writes and a function that reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks import Access, DistributedDatabase
from examples.logged_function import LoggedFunction

if TYPE_CHECKING:
    from constructs import Construct

HERE = Path(__file__).parent


class BankStack(Stack):
    """A cluster with migrations, and two functions with different database roles."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        db = DistributedDatabase(self, "main", migrations=HERE / "migrations")
        db.grant_connect(self.function("Transfer", "transfer.handler"))
        db.grant_connect(self.function("Accounts", "accounts.handler"), access=Access.READ_ONLY)

    def function(self, id: str, handler: str) -> LoggedFunction:
        return LoggedFunction(self, id, folder=HERE / "functions", handler=handler)
