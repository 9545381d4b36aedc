"""The runtime works with psycopg alone; `make test-pythons` shows the same of the installed wheel."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blocks_runtime
from tests.blocks_runtime.conftest import function_environment

if TYPE_CHECKING:
    from local_dsql import LocalCluster

PROGRAM = Path(__file__).parents[1] / "support" / "bare_runtime.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the runtime, and the packages that psycopg[binary] brings."""
    (tmp_path / "blocks_runtime").symlink_to(Path(blocks_runtime.__file__).parent)
    for name in ("psycopg", "psycopg-binary", "typing_extensions"):
        for file in importlib.metadata.files(name) or ():
            top = Path(str(file)).parts[0]
            link = tmp_path / top
            if top not in ("..", "__pycache__") and not link.exists():
                link.symlink_to(Path(str(file.locate())).parents[len(Path(str(file)).parts) - 1] / top)
    return tmp_path


def run(folder: Path, environ: dict[str, str]) -> str:
    """Run the program with the standard library and that folder, and nothing else, to import from."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BLOCKS_"))}
    start = (
        "import runpy, sys; sys.path.append(sys.argv[1]); runpy.run_path(sys.argv[2], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", start, str(folder), str(PROGRAM)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=plain | environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_missing_is_named(folder: Path) -> None:
    assert "1 passed" in run(folder, {})


def test_it_reads_and_writes(folder: Path, function: None, cluster: LocalCluster) -> None:
    assert "1 passed" in run(folder, function_environment(cluster))
