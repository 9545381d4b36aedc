"""A small CDK app: cluster, functions, layer, custom resource, and a resource without a local counterpart."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

import aws_cdk as cdk
from aws_cdk import aws_dsql as dsql
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from tests.support.journal import url_of

RUNTIME = lambda_.Runtime(f"python{sys.version_info.major}.{sys.version_info.minor}")

HANDLER = """
import json, os, urllib.request

def handler(event, context):
    print(event["RequestType"])
    properties = event["ResourceProperties"]
    urllib.request.urlopen(properties["Journal"], data=json.dumps(event).encode() + b"\\n")
    doing = properties["Do"]
    if doing == "crash": raise RuntimeError("out of luck")
    if doing == "silent": return
    if doing == "wait": import time; time.sleep(60)
    if doing == "again" and "Second" not in event:
        import boto3
        boto3.client("lambda").invoke(
            FunctionName=context.invoked_function_arn, InvocationType="Event",
            Payload=json.dumps({**event, "Second": True}))
        return
    failed = doing == "fail" and event["RequestType"] != "Delete"
    answer = {
        "Status": "FAILED" if failed else "SUCCESS", "Reason": "042_seats.sql:3:1: TRUNCATE is refused",
        "PhysicalResourceId": properties.get("Name", "thing"),
        "StackId": event["StackId"], "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Said": properties["Say"], "Ca": os.environ.get("BLOCKS_MAIN_CA", "")}}
    urllib.request.urlopen(urllib.request.Request(
        event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT"))
"""

HELLO = """
import os, shared
def handler(event, context):
    if event == "set": return {1}
    return {"event": event, "shared": shared.word, "environ": dict(os.environ)}
"""


@dataclass(frozen=True)
class SampleApp:
    """One version of the app; the handler of the custom resource appends its events to the file `journal`.

    By default without a cluster, because a new database takes a second or two.
    """

    journal: Path
    do: str = "succeed"
    say: str = "hello"
    name: str = "thing"
    custom: bool = True
    greeting: str = "good day"
    cluster: bool = False


@functools.cache
def bundles() -> Path:
    """Return a folder with the assets, created once per session."""
    folder = Path(tempfile.mkdtemp(prefix="lab-"))
    atexit.register(shutil.rmtree, folder)
    for name, file, source in (
        ("handler", "index.py", HANDLER),
        ("hello", "index.py", HELLO),
        ("shared/python", "shared.py", "word = 'from the layer'"),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / file).write_text(source)
    return folder


def synthesize(sample_app: SampleApp, output: Path) -> Path:
    """Synthesize one version of the app."""
    app = cdk.App(outdir=str(output))
    stack = cdk.Stack(app, "Lab")
    queue = sqs.Queue(stack, "Queue")
    layer = lambda_.LayerVersion(stack, "Shared", code=lambda_.Code.from_asset(str(bundles() / "shared")))
    hello = _function(stack, "Hello", "hello", layers=[layer])
    hello.add_environment("GREETING", sample_app.greeting)
    hello.add_environment("QUEUE", queue.queue_arn)
    endpoint = "no-cluster"
    if sample_app.cluster:
        endpoint = dsql.CfnCluster(stack, "main").attr_endpoint
        hello.add_environment("BLOCKS_MAIN_ENDPOINT", endpoint)
    handler = _function(stack, "Handler", "handler", timeout=cdk.Duration.seconds(20))
    # A policy statement of the function on itself would be a cycle; the construct does the same.
    myself = iam.Policy(stack, "Continue", roles=[handler.role] if handler.role else None)
    myself.add_statements(
        iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[handler.function_arn])
    )
    if sample_app.custom:
        thing = cdk.CustomResource(
            stack,
            "Thing",
            service_token=handler.function_arn,
            resource_type="Custom::Thing",
            properties={
                "Journal": url_of(sample_app.journal),
                "Do": sample_app.do,
                "Say": sample_app.say,
                "Name": sample_app.name,
                "Database": "main",
                "Endpoint": endpoint,
                "Number": 7,
            },
        )
        thing.node.add_dependency(myself)
        cdk.CfnOutput(stack, "Said", value=thing.get_att_string("Said"))
        cdk.CfnOutput(stack, "Authority", value=thing.get_att_string("Ca"))
    other = cdk.Stack(app, "Other")
    _function(other, "Far", "hello", layers=[layer]).add_environment("ELSEWHERE", hello.function_arn)
    app.synth()
    return output


def _function(
    stack: cdk.Stack,
    name: str,
    bundle: str,
    *,
    layers: list[lambda_.ILayerVersion] | None = None,
    timeout: cdk.Duration | None = None,
) -> lambda_.Function:
    return lambda_.Function(
        stack,
        name,
        runtime=RUNTIME,
        handler="index.handler",
        code=lambda_.Code.from_asset(str(bundles() / bundle)),
        layers=layers,
        timeout=timeout,
    )
