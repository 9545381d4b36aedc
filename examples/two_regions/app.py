"""The two stacks as an app: `npx cdk deploy --all --app ".venv/bin/python -m examples.two_regions.app"`."""

from __future__ import annotations

import os
import sys

import aws_cdk as cdk

from examples.two_regions.stacks import add_hotel

account = os.environ.get("CDK_DEFAULT_ACCOUNT")
if not account:
    sys.exit(
        "the account is not known: CDK_DEFAULT_ACCOUNT is not set\n"
        "  why: a database in two Regions needs stacks with an explicit account\n"
        "  do:  log in to AWS, or export CDK_DEFAULT_ACCOUNT=123456789012"
    )
app = cdk.App()
add_hotel(app, account)
app.synth()
