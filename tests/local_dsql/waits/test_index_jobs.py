"""The end of an index job fails neither the session that asked for it nor a transaction on another table."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from local_dsql.postgres import find_binaries
from tests.local_dsql.waits.sessions import opened, said

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql import LocalCluster

TABLES = 8
SCHEMA = "".join(
    f"CREATE TABLE shop{n} (id int PRIMARY KEY, a int, b text);\n"
    f"CREATE INDEX ASYNC shop{n}_a ON shop{n} (a);\n"
    f"INSERT INTO shop{n} VALUES (1, 1, 'x'), (2, 2, 'y');\n"
    f"CREATE UNIQUE INDEX ASYNC shop{n}_b ON shop{n} (b);\n"
    f"UPDATE shop{n} SET a = a + 1;\n"
    for n in range(TABLES)
)
QUICK, ALL = 5, 100


def _load(local: LocalCluster, file: Path, times: int) -> None:
    psql = find_binaries().folder / "psql"
    if not psql.exists():
        pytest.skip("this PostgreSQL has no psql")
    failed = []
    for number in range(times):
        local.reset()
        answer = subprocess.run(
            [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file],
            env=local.libpq_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            failed.append(f"{number}: {answer.stderr.strip()[-300:]}")
    assert not failed, f"{len(failed)} of {times}\n" + "\n".join(failed[:5])


@pytest.mark.parametrize("times", [QUICK, pytest.param(ALL, marks=pytest.mark.slow)])
def test_a_schema_file_loads_every_time(local: LocalCluster, tmp_path: Path, times: int) -> None:
    """`psql -f` of tables, indexes and rows passes each time."""
    file = tmp_path / "schema.sql"
    file.write_text(SCHEMA)
    _load(local, file, times)


def test_a_transaction_on_another_table(local: LocalCluster) -> None:
    """It reads, writes and commits while the job of another session begins and ends."""
    for table in ("indexed", "untouched"):
        with opened(local, f"CREATE TABLE {table} (id int PRIMARY KEY, n int)", count=1):
            pass
    with opened(local, count=2) as (one, other):
        for _ in range(5):
            said(one, "BEGIN")
            said(one, "INSERT INTO untouched SELECT coalesce(max(id), 0) + 1, 0 FROM untouched")
            job = (said(other, "CREATE INDEX ASYNC ON indexed (n)").rows[0][0] or b"").decode()
            said(other, f"CALL sys.wait_for_job('{job}')")
            time.sleep(0.02)
            for sql in ("SELECT * FROM untouched", "UPDATE untouched SET n = n + 1", "COMMIT"):
                answer = one.ask(sql)
                # Only DDL that is a job's own may be overlooked; the CREATE INDEX statement changed `indexed` alone.
                assert not answer.failed, f"{sql}: {answer}"
