"""Step 3: a function with a role that was made by hand, and one with grant_connect."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from constructs import Construct

from blocks import DatabaseRole, DistributedDatabase, Privilege
from examples.logged_function import LoggedFunction

HERE = Path(__file__).parent


class Bank(cdk.Stack):
    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        db = DistributedDatabase(
            self, "main", migrations=HERE / "migrations", removal_policy=cdk.RemovalPolicy.DESTROY
        )
        cdk.CfnOutput(self, "ClusterEndpoint", value=db.cluster_endpoint)
        cdk.CfnOutput(self, "ClusterId", value=db.cluster_identifier)
        reads_accounts = DatabaseRole("cashier", {"accounts": {Privilege.SELECT}})
        db.grant_connect(self.function("Balance", "bank-balance"), access=reads_accounts)

        # The cluster as a stack sees it that does not migrate it: a grant is the IAM permission and the variables, and
        # the statements on the page are left to you.
        imported = DistributedDatabase.from_cluster_attributes(
            Construct(self, "Imported"),
            "main",
            cluster_identifier=db.cluster_identifier,
            cluster_endpoint=db.cluster_endpoint,
        )
        by_hand = self.function("BalanceByHand", "bank-balance-by-hand")
        imported.grant_connect(by_hand, access=DatabaseRole("by_hand", {"accounts": {Privilege.SELECT}}))
        assert by_hand.role is not None
        cdk.CfnOutput(self, "RoleByHand", value=by_hand.role.role_arn)

    def function(self, id: str, name: str) -> LoggedFunction:
        return LoggedFunction(
            self, id, folder=HERE / "functions", handler="balance.handler", function_name=name
        )


app = cdk.App()
Bank(app, "Bank")
app.synth()
