"""A stack with three functions: read-write, read-only, and without a grant."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from blocks import Access, DistributedDatabase
from blocks.shared.layers import runtime_layer

RUNTIME = lambda_.Runtime.PYTHON_3_14


class ShopStack(cdk.Stack):
    """The database `main` with the migrations of a folder, and its functions."""

    def __init__(self, scope: cdk.App, migrations: Path) -> None:
        super().__init__(scope, "Shop")
        db = DistributedDatabase(
            self, "main", migrations=migrations, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        db.grant_connect(self.function("Writer"))
        db.grant_connect(self.function("Reader"), access=Access.READ_ONLY)

        layer = runtime_layer(self, RUNTIME, lambda_.Architecture.X86_64)
        # It has the variables and the runtime, but no grant.
        stranger = self.function("Stranger")
        stranger.add_layers(layer)
        for name, value in db.environment(Access.READ_WRITE).items():
            stranger.add_environment(name, value)
        self.function("Forgotten").add_layers(layer)

    def function(self, id: str) -> lambda_.Function:
        return lambda_.Function(
            self,
            id,
            runtime=RUNTIME,
            code=lambda_.Code.from_asset(
                str(Path(__file__).parent / "functions"), exclude=["**/__pycache__"]
            ),
            handler="statement.handler",
            timeout=cdk.Duration.seconds(30),
        )


def synthesize(migrations: Path, output: Path) -> Path:
    """Synthesize the stack in this process and return the assembly."""
    app = cdk.App(outdir=str(output))
    ShopStack(app, migrations)
    app.synth()
    return output
