"""A CDK app with a database: migrations, one function with a grant and one without."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from blocks import Access, DistributedDatabase
from blocks.shared.layers import runtime_layer

if TYPE_CHECKING:
    from pathlib import Path

RUNTIME = lambda_.Runtime(
    f"python{sys.version_info.major}.{sys.version_info.minor}",
    lambda_.RuntimeFamily.PYTHON,
    supports_inline_code=True,
)

HANDLER = """
from blocks_runtime import DistributedDatabase, sql
db = DistributedDatabase("main")
def handler(statement, context):
    if statement.startswith("select"):
        return [list(row.values()) for row in db.query(sql(statement))]
    db.execute(sql(statement))
"""


def synthesize_database_app(migrations: Path, output: Path, *, dialect: str = "portable") -> Path:
    """Synthesize the app with these migrations."""
    app = cdk.App(outdir=str(output))
    stack = cdk.Stack(app, "Shop")
    db = DistributedDatabase(
        stack,
        "main",
        migrations=migrations,
        dialect=dialect,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        migrator_runtime=RUNTIME,
    )
    db.grant_connect(_function(stack, "Buy"))
    db.grant_connect(_function(stack, "Look"), access=Access.READ_ONLY)
    intruder = _function(stack, "Intruder")
    for name, value in db.environment(Access.READ_WRITE).items():
        intruder.add_environment(name, value)
    intruder.add_layers(runtime_layer(intruder, RUNTIME, lambda_.Architecture.X86_64))
    app.synth()
    return output


def _function(stack: cdk.Stack, name: str) -> lambda_.Function:
    return lambda_.Function(
        stack,
        name,
        runtime=RUNTIME,
        handler="index.handler",
        code=lambda_.Code.from_inline(HANDLER),
        timeout=cdk.Duration.seconds(20),
    )
