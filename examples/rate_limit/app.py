"""`npx cdk deploy --app ".venv/bin/python -m examples.rate_limit.app"`, or `blocks deploy --local`."""

from __future__ import annotations

import aws_cdk as cdk

from examples.rate_limit.stack import LimitsStack

app = cdk.App()
LimitsStack(app, "LimitsStack")
app.synth()
