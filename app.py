"""The reference CDK app: `npx cdk synth`, `npx cdk deploy`, `blocks deploy --local`."""

from __future__ import annotations

import aws_cdk as cdk

from examples.bank.stack import BankStack

app = cdk.App()
BankStack(app, "BankStack")
app.synth()
