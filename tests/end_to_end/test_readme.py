"""The stack and the handler of the README, deployed together and invoked as written there."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from blocks_cli.local import LocalDeployment
from blocks_cli.synth import synthesize
from tests.end_to_end.conftest import REGION, ROOT

if TYPE_CHECKING:
    from pathlib import Path

APP = """

import aws_cdk
app = aws_cdk.App()
Shop(app, "Shop")
app.synth()
"""
TABLE = "CREATE TABLE orders (id INT PRIMARY KEY, status TEXT NOT NULL);\n"
ROWS = "INSERT INTO orders VALUES (7, 'shipped');\n"


def blocks() -> list[str]:
    """Return the Python code blocks of the README."""
    return re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )


def test_the_smallest_stack_runs_the_smallest_handler(tmp_path: Path) -> None:
    stack, handler = blocks()
    for name, text in {
        "app.py": stack + APP,
        "functions/orders.py": handler,
        "migrations/001_orders.sql": TABLE,
        "migrations/002_rows.sql": ROWS,
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assembly = synthesize(tmp_path, tmp_path / "cdk.out", REGION, f"{sys.executable} app.py")
    with LocalDeployment.deploy(assembly, tmp_path, region=REGION) as deployment:
        assert deployment.invoke("Orders", {"id": 7}).payload == {"status": "shipped"}
        assert deployment.invoke("Orders", {"id": 8}).payload is None
