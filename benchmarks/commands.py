"""Time of `blocks status` beside a running local database: whole processes on one core."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Measured, measured, pin, present
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

TURNS, MIGRATIONS, BAR_MILLISECONDS = 31, 14, 150
PROGRAM = "from blocks_cli.main import main; main()"
BARE = "import psycopg"
"""A program that every program in Python with a database contains."""


def _milliseconds(code: str, *arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    return (time.perf_counter() - started) * 1000


def measure() -> Iterator[list[Measured]]:
    """Yield the time of the command, and that time as a multiple of an interpreter that imports psycopg."""
    pin()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has bytecode
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("cdk.json").write_text("{}")
        Path("migrations").mkdir()
        for number in range(1, MIGRATIONS + 1):
            file = Path("migrations") / f"{number:03}_t{number}.sql"
            file.write_text(f"CREATE TABLE t{number} (id uuid PRIMARY KEY DEFAULT gen_random_uuid());\n")
        with LocalCluster(Path(folder) / ".blocks" / "local" / "main"):
            _milliseconds(PROGRAM, "up")
            for each in (PROGRAM, BARE):
                _milliseconds(each, "status")  # fill the caches
            turns = [(_milliseconds(PROGRAM, "status"), _milliseconds(BARE)) for _ in range(TURNS)]
        os.chdir("/")
    title = f"blocks status, {MIGRATIONS} migrations"
    yield [
        measured(
            title,
            "the command",
            "",
            [ours for ours, _ in turns],
            unit="ms",
            bar=BAR_MILLISECONDS,
            more_is_better=False,
        ),
        measured(
            title,
            "the command",
            "an interpreter that imports psycopg",
            [ours / bare for ours, bare in turns],
            more_is_better=False,
        ),
    ]


if __name__ == "__main__":
    present(measure)
