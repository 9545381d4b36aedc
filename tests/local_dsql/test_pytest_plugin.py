"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.local_dsql.processes import processes_of

PROJECT = Path(__file__).parents[2]

CONFTEST = 'pytest_plugins = ["local_dsql.pytest_plugin"]\n'
TESTS = """
import psycopg, pytest

@pytest.mark.parametrize("time", range(3))
def test_fresh(dsql, time):
    with psycopg.connect(dsql.dsn("eu-west-1"), autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
        connection.execute("CREATE ROLE r WITH LOGIN")
    assert dsql.status.dialect == "2026-09"
"""
INI = "[pytest]\ndsql_dialect = 2026-09\ndsql_regions = us-east-1 eu-west-1\n"


def test_each_test_has_a_fresh_database(tmp_path: Path) -> None:
    for name, text in {"conftest.py": CONFTEST, "test_it.py": TESTS, "pytest.ini": INI}.items():
        (tmp_path / name).write_text(text)
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "3 passed" in answer.stdout
    assert not processes_of(tmp_path)
