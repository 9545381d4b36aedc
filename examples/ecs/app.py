"""`npx cdk deploy --app ".venv/bin/python -m examples.ecs.app"`; build your own image."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs

from examples.ecs.stack import WorkerStack

app = cdk.App()
WorkerStack(
    app,
    "WorkerStack",
    image=ecs.ContainerImage.from_registry("public.ecr.aws/docker/library/python:3.14-slim"),
)
app.synth()
