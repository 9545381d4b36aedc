"""Time that the construct adds to a synth: whole processes, with a warm cache and without the CDK's validator.

The baseline has one function and a cluster as CloudFormation knows it; ours has the function, the construct with
the bank's migrations, and a grant. The bar is a difference, not a ratio: a second. What is counted is the time
that the processes, the CDK's among them, have the processor, which on a quiet machine is what one waits for.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Measured, measured, pin, present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
BAR_SECONDS = 1.0
TURNS = 5

STACK = """
import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
app = cdk.App(outdir={outdir!r})
stack = cdk.Stack(app, "Shop")
orders = lambda_.Function(
    stack, "Orders", runtime=lambda_.Runtime.PYTHON_3_14, handler="transfer.handler",
    code=lambda_.Code.from_asset({functions!r}),
)
"""
PLAIN = """
from aws_cdk import aws_dsql as dsql
dsql.CfnCluster(stack, "Cluster")
app.synth()
"""
OURS = """
from blocks import DistributedDatabase
DistributedDatabase(stack, "main", migrations={migrations!r}).grant_connect(orders)
app.synth()
"""


def contender(body: str, folder: Path) -> Callable[[], float]:
    """Return a function that synthesizes once in its own process and returns the processor time."""
    bank = ROOT / "examples" / "bank"
    code = (STACK + body).format(
        outdir=str(folder), functions=str(bank / "functions"), migrations=str(bank / "migrations")
    )
    quiet = {"CDK_VALIDATION": "false", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}

    def synthesize() -> float:
        before = _seconds_at_work()
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **quiet}, check=True, capture_output=True
        )
        return _seconds_at_work() - before

    return synthesize


def _seconds_at_work() -> float:
    """Return the processor time of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure() -> Iterator[list[Measured]]:
    """Yield the cost of the construct."""
    pin()
    with tempfile.TemporaryDirectory() as scratch:
        plain = contender(PLAIN, Path(scratch, "plain"))
        ours = contender(OURS, Path(scratch, "ours"))
        plain(), ours()  # fill the caches
        turns = [(plain(), ours()) for _ in range(TURNS)]
    title = "synth, whole process, warm cache, processor time"
    one, other = "stack with the construct", "stack with an L1 cluster"
    yield [
        measured(title, one, other, [with_it / without for without, with_it in turns], more_is_better=False),
        measured(
            title,
            "added by the construct",
            "",
            [with_it - without for without, with_it in turns],
            unit="s",
            bar=BAR_SECONDS,
            more_is_better=False,
        ),
    ]


if __name__ == "__main__":
    present(measure)
