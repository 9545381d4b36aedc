"""A rate limiter, and a job that one process runs at a time, on one `AtomicTable`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks import AtomicTable
from examples.logged_function import LoggedFunction

if TYPE_CHECKING:
    from constructs import Construct

FUNCTIONS = Path(__file__).parent / "functions"


class LimitsStack(Stack):
    """A table and three functions: two write, one reads."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        table = AtomicTable(self, "limits")
        api = LoggedFunction(self, "Api", folder=FUNCTIONS, handler="api.handler")
        nightly = LoggedFunction(self, "Nightly", folder=FUNCTIONS, handler="nightly.handler")
        report = LoggedFunction(self, "Report", folder=FUNCTIONS, handler="report.handler")
        table.grant_read_write(api)
        table.grant_read_write(nightly)
        table.grant_read(report)
