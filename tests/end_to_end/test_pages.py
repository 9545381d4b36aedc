"""Pages with a whole app: it is deployed as written, and its commands print the output on the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_settings.regions import REGION_SETS
from tests.end_to_end.conftest import ROOT
from tests.support.shell_page import commands

if TYPE_CHECKING:
    from tests.support.code_blocks import Block

DOCS = ROOT / "docs"
_COMMAND = re.compile(r"^\$ (.*)\n((?:[^$].*\n)*)", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["start.md", "multi-region.md", "guides/http-api.md"])
def test_the_app_of_a_page_prints_its_output(tmp_path: Path, page: str, page_blocks: list[Block]) -> None:
    (tmp_path / "cdk.json").write_text('{"app": "python app.py"}')
    blocks = [block for block in page_blocks if block.page == f"docs/{page}"]
    for block in blocks:
        if block.file:
            (tmp_path / block.file).parent.mkdir(exist_ok=True)
            (tmp_path / block.file).write_text(block.body, "utf-8")
    transcripts = [block.body for block in blocks if not block.file]
    assert transcripts
    for transcript in transcripts:
        for command, expected in _COMMAND.findall(transcript):
            assert printed(command, tmp_path) == expected, command


@pytest.mark.slow
def test_the_rate_limiter_is_deployed_by_the_commands_of_the_page(
    tmp_path: Path, page_blocks: list[Block]
) -> None:
    (block,) = page_blocks
    for name in ("examples", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name if name == "examples" else sys.prefix)
    (tmp_path / "cdk.json").write_text("{}")
    deploy, *invocations = commands(block.body)
    printed(deploy, tmp_path)
    payloads = [json.loads(printed(each, tmp_path)) for each in invocations]
    printed(".venv/bin/blocks destroy --local --purge", tmp_path)
    assert payloads[:2] == [{"status": 200}, {"ran": True}]
    assert payloads[2]["report"] is True
    assert "not authorized" in payloads[2]["refused"]


def printed(command: str, folder: Path) -> str:
    """Return the output of a command on stdout; the outputs of a deploy are left out."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=outer | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return "" if " deploy " in command else re.sub(r"(?<=passed) in .*", "", ran.stdout)


def test_the_page_names_every_region_of_every_set() -> None:
    page = " ".join((DOCS / "multi-region.md").read_text("utf-8").split())
    for regions in REGION_SETS.values():
        assert ", ".join(regions) in page
