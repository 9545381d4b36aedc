"""Time of the fixture `dsql` for each test, against a reset and all migrations for each test, in one pytest session.

Tests with the fixture and tests without alternate in blocks. The time of a test is that of its set-up, call and
tear-down together, as pytest reports it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Measured, Result, measured, pin, present, speeds

if TYPE_CHECKING:
    from collections.abc import Iterator

MIGRATIONS, TURNS, BATCH = 14, 7, 10
WITH_FIXTURE, BY_HAND = "fixture dsql", "reset and migrations"

CONFTEST = """
import json
from collections import defaultdict
from pathlib import Path

import psycopg
import pytest

from blocks_cli.testing import migrate

seconds = defaultdict(float)


def pytest_runtest_logreport(report):
    seconds[report.nodeid] += report.duration


def pytest_sessionfinish(session):
    Path("seconds.json").write_text(json.dumps(seconds))


@pytest.fixture
def by_hand(dsql_cluster):
    dsql_cluster.reset()
    migrate(dsql_cluster, Path("migrations"))
    return dsql_cluster


def insert(cluster):
    with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
        connection.execute("INSERT INTO t1 (n) VALUES (1)")
        assert connection.execute("SELECT count(*) FROM t1").fetchone() == (1,)
"""
TEST = """
from conftest import insert


def test_{name}_{turn}_{number}({fixture}):
    insert({fixture})
"""


def _project(folder: Path) -> None:
    """Write the migrations, and a file of tests for each turn and kind; each has as many tests."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "migrations").mkdir()
    for number in range(1, MIGRATIONS + 1):
        (folder / f"migrations/{number:03}_t{number}.sql").write_text(
            f"CREATE TABLE t{number} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int);\n"
        )
    for turn in range(TURNS + 1):
        for name, fixture in (("a", "dsql"), ("b", "by_hand")):
            tests = "".join(
                TEST.format(name=name, turn=turn, number=number, fixture=fixture) for number in range(BATCH)
            )
            (folder / f"test_{turn}_{name}.py").write_text(tests)


def measure() -> Iterator[list[Measured]]:
    """Yield the time of a test, and the speed as a multiple of a reset with all migrations."""
    pin()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _project(folder)
        environ = {each: value for each, value in os.environ.items() if each != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout[-2000:])
        seconds: dict[str, float] = json.loads((folder / "seconds.json").read_text("utf-8"))
    # The first turn starts the cluster, and applies the migrations once.
    per_test = {
        title: Result(
            tuple(
                sum(took for test, took in seconds.items() if test.startswith(f"test_{turn}_{kind}.py"))
                / BATCH
                for turn in range(1, TURNS + 1)
            )
        )
        for title, kind in ((WITH_FIXTURE, "a"), (BY_HAND, "b"))
    }
    title = f"a test on a database with {MIGRATIONS} migrations"
    milliseconds = [each * 1000 for each in per_test[WITH_FIXTURE].seconds]
    yield [
        *speeds(title, per_test, baseline=BY_HAND, bars={}),
        measured(title, WITH_FIXTURE, "", milliseconds, unit="ms", more_is_better=False),
    ]


if __name__ == "__main__":
    present(measure)
