"""The CDK app of these tests. Its context says which version of it: `cdk deploy -c migrations=… -c access=…`.

`access` is that of the function: READ_WRITE, READ_ONLY or none. `role` is the name of its IAM role, which is replaced
if the name changes. `timeout` is that of the migrator in seconds, shorter than the construct allows. `regions` is 1, or
2 for a database with a peer.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from blocks import Access, DistributedDatabase, MultiRegion

ACCOUNT = "000000000000"
HOME, PEER, WITNESS = "us-east-1", "us-east-2", "us-west-2"
FUNCTIONS = Path(__file__).parent / "functions"

# MiniStack runs functions with its own Python, so the layer has the driver for that one.
RUNTIME = lambda_.Runtime(
    f"python{sys.version_info.major}.{sys.version_info.minor}", lambda_.RuntimeFamily.PYTHON
)
ARCHITECTURE = (
    lambda_.Architecture.ARM_64 if platform.machine() in ("aarch64", "arm64") else lambda_.Architecture.X86_64
)


def _multi_region(app: cdk.App) -> MultiRegion | None:
    if app.node.try_get_context("regions") != "2":
        return None
    peer = cdk.Stack(app, "ShopPeer", env=cdk.Environment(account=ACCOUNT, region=PEER))
    return MultiRegion(peer=peer, witness_region=WITNESS)


def _function(stack: cdk.Stack, role: iam.Role) -> lambda_.Function:
    return lambda_.Function(
        stack,
        "Orders",
        function_name=f"{stack.stack_name}-orders",
        runtime=RUNTIME,
        architecture=ARCHITECTURE,
        handler="orders.handler",
        code=lambda_.Code.from_asset(str(FUNCTIONS), exclude=["**/__pycache__"]),
        timeout=cdk.Duration.seconds(30),
        role=role,
    )


def main() -> None:
    """Synthesize the app."""
    app = cdk.App()
    stack = cdk.Stack(app, "Shop", env=cdk.Environment(account=ACCOUNT, region=HOME))
    db = DistributedDatabase(
        stack,
        "main",
        migrations=os.environ["MIGRATIONS"],
        removal_policy=cdk.RemovalPolicy.DESTROY,
        multi_region=_multi_region(app),
        migrator_runtime=RUNTIME,
        migrator_architecture=ARCHITECTURE,
    )
    if timeout := app.node.try_get_context("timeout"):
        cast("lambda_.CfnFunction", db.migrator.function.node.default_child).timeout = int(timeout)
    role = iam.Role(
        stack,
        "OrdersRole",
        role_name=app.node.try_get_context("role") or "orders",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
    )
    orders = _function(stack, role)
    access = app.node.try_get_context("access") or Access.READ_WRITE.value
    if access != "none":
        db.grant_connect(orders, access=Access(access))
    app.synth()


if __name__ == "__main__":
    main()
