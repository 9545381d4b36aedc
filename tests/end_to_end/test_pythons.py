"""The deployed bundles, invoked under every Python on this machine."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_

from blocks import DistributedDatabase
from blocks.bundling import Target
from blocks.bundling.target import PYTHONS
from blocks_cli.lambda_ import interpreter
from blocks_cli.local import LocalDeployment
from tests.end_to_end.conftest import ORDERS, REGION

if TYPE_CHECKING:
    from pathlib import Path

HANDLER = """
import sys
import psycopg
from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("{name}")

def handler(event, context):
    db.execute(sql("INSERT INTO orders (item) VALUES ('tea')"))
    rows = db.query_one(sql("SELECT count(*) AS n FROM orders"))["n"]
    return {{"python": list(sys.version_info[:2]), "driver": psycopg.__file__, "orders": rows}}
"""


def found() -> list[str]:
    """Return Lambda's Python versions on this machine, oldest first."""
    return [python for python in PYTHONS if interpreter.find(version(python)) is not None]


def version(python: str) -> tuple[int, int]:
    major, minor = python.split(".")
    return int(major), int(minor)


def synthesize(root: Path, pythons: list[str]) -> Path:
    """Synthesize a stack with a database, its migrator and a function for each Python."""
    app = cdk.App(outdir=str(root / "cdk.out"))
    stack = cdk.Stack(app, "Pythons")
    arm = Target("3.13", platform.machine()).architecture == "aarch64"
    architecture = lambda_.Architecture.ARM_64 if arm else lambda_.Architecture.X86_64
    for python in pythons:
        name = "p" + python.replace(".", "-")
        runtime = getattr(lambda_.Runtime, f"PYTHON_{python.replace('.', '_')}")
        db = DistributedDatabase(
            stack,
            name,
            migrations=root / "migrations",
            migrator_runtime=runtime,
            migrator_architecture=architecture,
        )
        function = lambda_.Function(
            stack,
            f"Fn-{name}",
            runtime=runtime,
            architecture=architecture,
            handler="index.handler",
            code=lambda_.Code.from_inline(HANDLER.format(name=name)),
        )
        db.grant_connect(function)
    app.synth()
    return root / "cdk.out"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Lambda's wheels are for Linux")
def test_migrator_and_layer_run_under_every_python_found(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "001_orders.sql").write_text(ORDERS, encoding="utf-8")
    pythons = found()
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in pythons
    with LocalDeployment.deploy(synthesize(tmp_path, pythons), tmp_path, region=REGION) as deployment:
        for python in pythons:
            result = deployment.invoke(f"Fn-p{python.replace('.', '-')}", {})
            assert result.error_type is None, result.error_message
            answer = result.payload
            assert isinstance(answer, dict)
            assert (answer["python"], answer["orders"]) == ([*version(python)], 1)
            # The driver of the layer, not an installed one.
            assert "/opt-" in str(answer["driver"]) or "/code/" in str(answer["driver"]), answer["driver"]
