"""An existing cluster: one team owns it, another adds migrations and functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_dsql as dsql

from blocks import Access, DistributedDatabase
from examples.logged_function import LoggedFunction

if TYPE_CHECKING:
    from constructs import Construct

HERE = Path(__file__).parent


class PlatformStack(Stack):
    """Stack of the platform team: a cluster without this library."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self.cluster = dsql.CfnCluster(self, "Cluster", deletion_protection_enabled=True)


class NotesStack(Stack):
    """Stack of the app team. The identifier of an existing cluster is a string, such as a context value."""

    def __init__(self, scope: Construct, id: str, *, cluster_identifier: str, cluster_endpoint: str) -> None:
        super().__init__(scope, id)
        db = DistributedDatabase.from_cluster_attributes(
            self,
            "main",
            cluster_identifier=cluster_identifier,
            cluster_endpoint=cluster_endpoint,
            migrations=HERE / "migrations",
        )
        db.grant_connect(LoggedFunction(self, "Write", folder=HERE / "functions", handler="notes.write"))
        db.grant_connect(
            LoggedFunction(self, "Read", folder=HERE / "functions", handler="notes.read"),
            access=Access.READ_ONLY,
        )
