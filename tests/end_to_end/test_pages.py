"""Pages with a whole app: it is deployed as written, and its commands print the output on the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from blocks_settings.regions import REGION_SETS
from tests.end_to_end.conftest import ROOT

DOCS = ROOT / "docs"
_FILE = re.compile(r"^```(?:python|sql|json|toml) (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ (.*)\n((?:[^$].*\n)*)", re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["start.md", "multi-region.md", "guides/http-api.md"])
def test_the_app_of_a_page_prints_its_output(tmp_path: Path, page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    (tmp_path / "cdk.json").write_text('{"app": "python app.py"}')
    for name, body in _FILE.findall(text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(body, "utf-8")
    for transcript in _CONSOLE.findall(text):
        for command, expected in _COMMAND.findall(transcript):
            assert printed(command, tmp_path) == expected, command


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
