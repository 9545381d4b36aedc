"""The two stacks as an app: `npx cdk deploy --all --app ".venv/bin/python -m examples.worldseat.app"`."""

from __future__ import annotations

import os
import sys

import aws_cdk as cdk

from examples.worldseat.stacks import Limits, add_worldseat

account = os.environ.get("CDK_DEFAULT_ACCOUNT")
if not account:
    sys.exit(
        "the account is not known: CDK_DEFAULT_ACCOUNT is not set\n"
        "  why: a database in two Regions needs stacks with an explicit account\n"
        "  do:  log in to AWS, or export CDK_DEFAULT_ACCOUNT=123456789012"
    )
app = cdk.App()
limits = Limits(
    buys=int(os.environ.get("WORLDSEAT_BUYS", Limits.buys)),
    bursts=int(os.environ.get("WORLDSEAT_BURSTS", Limits.bursts)),
)
add_worldseat(app, account, limits=limits)
app.synth()
