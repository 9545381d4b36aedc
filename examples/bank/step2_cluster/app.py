"""Step 2: the function, and a cluster in the same stack."""

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
        LoggedFunction(
            self, "Hello", folder=HERE / "functions", handler="hello.handler", function_name="bank-hello"
        )
        # A course is deleted at its end. By default the cluster is protected, and kept with its data.
        db = DistributedDatabase(self, "main", removal_policy=cdk.RemovalPolicy.DESTROY)
        cdk.CfnOutput(self, "ClusterEndpoint", value=db.cluster_endpoint)
        cdk.CfnOutput(self, "ClusterId", value=db.cluster_identifier)


app = cdk.App()
Bank(app, "Bank")
app.synth()
