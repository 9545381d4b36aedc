"""Step 1: one function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk

from examples.logged_function import LoggedFunction

if TYPE_CHECKING:
    from constructs import Construct

HERE = Path(__file__).parent


class Bank(cdk.Stack):
    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        LoggedFunction(
            self, "Hello", folder=HERE / "functions", handler="hello.handler", function_name="bank-hello"
        )


app = cdk.App()
Bank(app, "Bank")
app.synth()
