"""The session of `blocks dev` in docs/cli.md, in the project that `blocks init` makes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.conftest import ROOT
from tests.support import shell_page
from tests.support.dev_process import DevProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.code_blocks import Block

KEPT = re.compile(r"url |ready |deployed |error: |  why: |  do: ")
"""Lines of the command; the page leaves out the steps of the first deploy, and what the functions print."""


def session(folder: Path) -> str:
    """Start the command, save a handler, a migration and a wrong handler, and return its lines."""
    subprocess.run(
        [sys.executable, "-m", "blocks_cli.main", "init", "shop"], cwd=folder, check=True, capture_output=True
    )
    project = folder / "shop"
    handler = project / "functions" / "orders.py"
    dev = DevProcess(project, "--app", f"{sys.executable} app.py")
    try:
        dev.wait_for("ready")
        handler.write_text(f"{handler.read_text()}\n\nVERSION = 2\n")
        dev.wait_for("deployed functions/")
        (project / "migrations" / "002_items.sql").write_text("CREATE TABLE items (id int PRIMARY KEY);\n")
        dev.wait_for("deployed migrations/")
        handler.write_text("def handler(:\n")
        dev.wait_for("error: ")
        dev.wait_for("  do: ")
    finally:
        assert dev.end(signal.SIGINT) == 0
    return "".join(f"{line.rstrip()}\n" for line in dev.printed if KEPT.match(line))


@pytest.mark.slow
def test_the_lines_are_those_that_the_command_prints(tmp_path: Path, page_blocks: list[Block]) -> None:
    """With BLOCKS_WRITE_DOCS set, they are written into the page."""
    (block,) = page_blocks
    printed = session(tmp_path)
    if "BLOCKS_WRITE_DOCS" in os.environ:
        page = ROOT / block.page
        page.write_text(page.read_text("utf-8").replace(block.body, printed), "utf-8")
    else:
        shown, current = (
            shell_page.shape(f"```console\n{text}```").splitlines() for text in (block.body, printed)
        )
        assert current == shown
