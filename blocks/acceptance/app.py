"""The CDK app that `blocks acceptance` deploys and destroys: `cdk deploy --app "python -m blocks.acceptance.app"`.

Its context says where: `account`, `region` and `name` of the stack; `peer` and `witness` for two Regions; `runtime`,
the Python of the functions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from blocks import Access, DistributedDatabase, MultiRegion
from blocks.database.metrics import DIMENSION, NAMESPACE
from blocks.shared.layers import default_runtime

if TYPE_CHECKING:
    from constructs import Construct

HERE = Path(__file__).parent

FUNCTION = """
import time
started = time.perf_counter()
from blocks_runtime import DistributedDatabase, sql
db = DistributedDatabase("acceptance")

def handler(event, context):
    if "note" in event:
        db.execute(sql("INSERT INTO events (note) VALUES ({note})", note=event["note"]))
    count = db.query_value(sql("SELECT count(*) FROM events"))
    return {"count": count, "seconds_since_import": time.perf_counter() - started}
"""
"""Code of both functions: they add an event if one is given, count all, and measure the time since their import."""


class AcceptanceStack(cdk.Stack):
    """Everything in one Region; nothing is kept when it is deleted."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        runtime: lambda_.Runtime,
        multi_region: MultiRegion | None,
        env: cdk.Environment,
    ) -> None:
        super().__init__(scope, id, env=env)
        db = DistributedDatabase(
            self,
            "acceptance",
            migrations=HERE / "migrations",
            removal_policy=cdk.RemovalPolicy.DESTROY,
            migrator_runtime=runtime,
            multi_region=multi_region,
        )
        writer, reader = (self._function(name, runtime) for name in ("Writer", "Reader"))
        db.grant_connect(writer)
        db.grant_connect(reader, access=Access.READ_ONLY)
        for name, value in {
            "Identifier": db.cluster_identifier,
            "Endpoint": db.connection_endpoint,
            "Writer": writer.function_name,
            "Reader": reader.function_name,
            "MetricNamespace": NAMESPACE,
            "MetricDimension": DIMENSION,
        }.items():
            cdk.CfnOutput(self, name, value=value)

    def _function(self, name: str, runtime: lambda_.Runtime) -> lambda_.Function:
        log_group = logs.LogGroup(
            self, f"{name}Log", retention=logs.RetentionDays.ONE_DAY, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        role = iam.Role(self, f"{name}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        return lambda_.Function(
            self,
            f"{name}Function",
            runtime=runtime,
            handler="index.handler",
            code=lambda_.Code.from_inline(FUNCTION),
            memory_size=512,
            timeout=cdk.Duration.seconds(30),
            role=role,
            log_group=log_group,
        )


def build(app: cdk.App) -> AcceptanceStack:
    """Add the stacks that the context of the app describes, and return that of the database."""
    given = {
        key: app.node.try_get_context(key)
        for key in ("account", "region", "name", "peer", "witness", "runtime")
    }
    multi_region = None
    if given["peer"]:
        peer = cdk.Stack(
            app, f"{given['name']}Peer", env=cdk.Environment(account=given["account"], region=given["peer"])
        )
        multi_region = MultiRegion(peer=peer, witness_region=given["witness"])
    return AcceptanceStack(
        app,
        given["name"],
        runtime=lambda_.Runtime(given["runtime"], lambda_.RuntimeFamily.PYTHON, supports_inline_code=True)
        if given["runtime"]
        else default_runtime(),
        multi_region=multi_region,
        env=cdk.Environment(account=given["account"], region=given["region"]),
    )


def main() -> None:
    """Synthesize the app."""
    app = cdk.App()
    build(app)
    app.synth()


if __name__ == "__main__":
    main()
