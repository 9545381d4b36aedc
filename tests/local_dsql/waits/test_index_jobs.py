"""The end of an index job fails neither the session that asked for it nor a transaction on another table."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.differential.wire_session import WireSession
from tests.local_dsql.waits.sessions import opened, said

if TYPE_CHECKING:
    from collections.abc import Callable
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


def _by_psql(local: LocalCluster, file: Path) -> str:
    """Return the error of `psql -f`, or nothing."""
    psql = shutil.which("psql")  # that of the wheel knows no TLS
    if psql is None:
        pytest.skip("there is no psql")
    answer = subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file],
        env=os.environ | local.libpq_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stderr.strip()[-300:] if answer.returncode else ""


def _by_driver(local: LocalCluster, file: Path) -> str:
    """Return the first error of the statements in one session, or nothing."""
    session = WireSession(local.dsn())
    answers = (session.ask(sql) for sql in file.read_text().split(";\n") if sql)
    error = next((str(answer) for answer in answers if answer.failed), "")
    session.close()
    return error


@pytest.mark.parametrize("load", [_by_psql, _by_driver], ids=["psql", "driver"])
@pytest.mark.parametrize("times", [QUICK, pytest.param(ALL, marks=pytest.mark.slow)])
def test_a_schema_file_loads_every_time(
    local: LocalCluster, tmp_path: Path, times: int, load: Callable[[LocalCluster, Path], str]
) -> None:
    """Tables, indexes and rows in one session pass each time, while the session's own index jobs end."""
    file = tmp_path / "schema.sql"
    file.write_text(SCHEMA)
    failed = []
    for number in range(times):
        local.reset()
        if error := load(local, file):
            failed.append(f"{number}: {error}")
    assert not failed, f"{len(failed)} of {times}\n" + "\n".join(failed[:5])


def test_a_transaction_on_another_table(local: LocalCluster) -> None:
    """One that begins after CREATE INDEX ASYNC commits, though the job ends meanwhile and changes the catalog."""
    setup = [f"CREATE TABLE {name} (id int PRIMARY KEY, n int)" for name in ("indexed", "untouched")]
    with opened(local, *setup, count=2) as (one, other):
        local.delay_jobs(0.2)
        for _ in range(5):
            job = (said(other, "CREATE INDEX ASYNC ON indexed (n)").rows[0][0] or b"").decode()
            said(one, "SELECT 1")
            said(one, "BEGIN")
            said(one, "INSERT INTO untouched SELECT coalesce(max(id), 0) + 1, 0 FROM untouched")
            said(other, f"CALL sys.wait_for_job('{job}')")
            for sql in ("SELECT * FROM untouched", "UPDATE untouched SET n = n + 1", "COMMIT"):
                answer = one.ask(sql)
                assert not answer.failed, f"{sql}: {answer}"
