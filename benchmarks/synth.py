"""What the construct adds to a synth: whole processes, with the cache warm and CDK's validator off.

The baseline has one function and a cluster as CloudFormation knows it; ours has the function, the construct with
the bank's migrations, and a grant. The bar is a difference, not a ratio: a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import compare, pin

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
BAR_SECONDS = 1.0
TURNS = 7

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


def contender(body: str, folder: Path) -> Callable[[], object]:
    """Return a call that synthesizes once, in a process of its own."""
    bank = ROOT / "examples" / "bank"
    code = (STACK + body).format(
        outdir=str(folder), functions=str(bank / "functions"), migrations=str(bank / "migrations")
    )
    quiet = {"CDK_VALIDATION": "false", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}

    def synthesize() -> None:
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **quiet}, check=True, capture_output=True
        )

    return synthesize


def main() -> None:
    """Print what the construct costs."""
    pin()
    with tempfile.TemporaryDirectory() as scratch:
        results = compare(
            {
                "function and L1 cluster": contender(PLAIN, Path(scratch, "plain")),
                "function and DistributedDatabase": contender(OURS, Path(scratch, "ours")),
            },
            turns=TURNS,
        )
    plain, ours = results.values()
    added = sorted(one - other for one, other in zip(ours.seconds, plain.seconds, strict=True))
    print("synth, whole process, warm cache, one core")
    print(f"  {ours.median / plain.median:.2f} x a function and an L1 cluster   spread {ours.spread}")
    print(
        f"  adds {added[TURNS // 2]:.2f} s, from {added[0]:.2f} to {added[-1]:.2f}   bar: at most {BAR_SECONDS:.0f} s"
    )


if __name__ == "__main__":
    main()
