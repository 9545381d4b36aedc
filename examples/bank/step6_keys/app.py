"""Step 6: accounts with UUID keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk

from blocks import DistributedDatabase
from examples.logged_function import LoggedFunction

if TYPE_CHECKING:
    from constructs import Construct

HERE = Path(__file__).parent


class Bank(cdk.Stack):
    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        db = DistributedDatabase(
            self, "main", migrations=HERE / "migrations", removal_policy=cdk.RemovalPolicy.DESTROY
        )
        cdk.CfnOutput(self, "ClusterEndpoint", value=db.cluster_endpoint)
        cdk.CfnOutput(self, "ClusterId", value=db.cluster_identifier)
        db.grant_connect(self.function("Transfer", "transfer.handler", "bank-transfer"))

    def function(self, id: str, handler: str, name: str) -> LoggedFunction:
        return LoggedFunction(self, id, folder=HERE / "functions", handler=handler, function_name=name)


app = cdk.App()
Bank(app, "Bank")
app.synth()
