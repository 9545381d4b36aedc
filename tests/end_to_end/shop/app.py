"""A CDK app with three functions of one bundle: may write, may read, may not come in at all.

`SHOP_MIGRATIONS` names the folder of migrations, so that a test can deploy one version after another.
"""

from __future__ import annotations

import os
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from blocks import Access, DistributedDatabase
from blocks.layers import runtime_layer

RUNTIME = lambda_.Runtime.PYTHON_3_13


def function(stack: cdk.Stack, id: str) -> lambda_.Function:
    return lambda_.Function(
        stack,
        id,
        runtime=RUNTIME,
        code=lambda_.Code.from_asset(str(Path(__file__).parent / "functions"), exclude=["**/__pycache__"]),
        handler="statement.handler",
        timeout=cdk.Duration.seconds(30),
    )


app = cdk.App()
stack = cdk.Stack(app, "Shop")
db = DistributedDatabase(
    stack, "main", migrations=os.environ["SHOP_MIGRATIONS"], removal_policy=cdk.RemovalPolicy.DESTROY
)
db.grant_connect(function(stack, "Writer"))
db.grant_connect(function(stack, "Reader"), access=Access.READ_ONLY)

# It knows where the database is and has the runtime, but nobody granted it anything.
stranger = function(stack, "Stranger")
stranger.add_layers(runtime_layer(stack, RUNTIME, lambda_.Architecture.X86_64))
for name, value in db.environment(Access.READ_WRITE).items():
    stranger.add_environment(name, value)
function(stack, "Forgotten").add_layers(runtime_layer(stack, RUNTIME, lambda_.Architecture.X86_64))
app.synth()
