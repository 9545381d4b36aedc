"""`npx cdk deploy --all --app ".venv/bin/python -m examples.existing_cluster.app"`."""

from __future__ import annotations

import aws_cdk as cdk

from examples.existing_cluster.stacks import NotesStack, PlatformStack

app = cdk.App()
platform = PlatformStack(app, "PlatformStack")
NotesStack(
    app,
    "NotesStack",
    cluster_identifier=platform.cluster.attr_identifier,
    cluster_endpoint=platform.cluster.attr_endpoint,
)
app.synth()
