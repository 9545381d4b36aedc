"""The page on two Regions: its app is deployed as it stands there, and its commands print what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from blocks.region_sets import REGION_SETS
from tests.end_to_end.conftest import ROOT

PAGE = (ROOT / "docs" / "multi-region.md").read_text("utf-8")
FILES = re.findall(r"^```(?:python|sql) (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
CONSOLE = re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_pages_app_prints_what_the_page_says(tmp_path: Path) -> None:
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "cdk.json").write_text('{"app": "python app.py"}')
    for transcript in CONSOLE:
        for command, expected in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", transcript, re.MULTILINE):
            assert printed(command, tmp_path) == expected, command


def printed(command: str, folder: Path) -> str:
    """Return what a command prints on stdout; the outputs of a deploy are of no interest here."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return "" if " deploy " in command else ran.stdout


def test_the_page_names_every_region_of_every_set() -> None:
    for regions in REGION_SETS.values():
        assert ", ".join(regions) in " ".join(PAGE.split())
