"""psql: meta-commands, scripts, single transactions, COPY through a file."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import needs_psql

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg
    from psycopg.rows import TupleRow

    from local_dsql import LocalCluster

    Other = psycopg.Connection[TupleRow]

pytestmark = needs_psql


def psql(
    cluster: LocalCluster, *arguments: str | Path, script: str = "", status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run psql without the user's settings; `script` is its standard input."""
    answer = subprocess.run(
        ["psql", "-X", "-v", "ON_ERROR_STOP=1", *arguments],
        env=os.environ | cluster.libpq_environment() | {"PGCLIENTENCODING": "UTF8"},
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == status, answer.stdout + answer.stderr
    return answer


META_COMMANDS = {
    r"\conninfo": 'database "postgres" as user "admin"',
    r"\d": "public|accounts|table|admin",
    r"\dt": "public|accounts|table|admin",
    r"\dt+": "public|accounts|table|admin|permanent",
    r"\dv sys.*": "sys|jobs|view|",
    r"\d accounts": "balance|numeric(12,2)||not null|0",
    r"\d+ accounts": "tags|jsonb",
    r"\di": "public|accounts_pkey|index|admin|accounts",
    r"\dn": "public|",
    r"\du": "admin|",
    r"\dp accounts": "public|accounts|table",
    r"\l": "postgres|",
    r"\encoding": "UTF8",
    r"SELECT 6 * 7 AS answer \gset" "\n" r"\echo :answer": "42",
    r"SELECT 1 AS id, now() AS at \gdesc": "at|timestamp with time zone",
    r"SELECT format('SELECT %s', n) FROM generate_series(7, 8) n \gexec": "8",
}
"""A line that psql sends several catalog queries for, and what it prints among other things."""


@pytest.mark.parametrize("command", META_COMMANDS, ids=lambda command: command.splitlines()[0])
def test_meta_commands(dsql_cluster: LocalCluster, accounts: None, command: str) -> None:
    answer = psql(dsql_cluster, "-At", script=f"{command}\n")
    assert META_COMMANDS[command] in answer.stdout
    assert not answer.stderr


@pytest.fixture(scope="module")
def accounts(dsql_cluster: LocalCluster) -> None:
    """One table for read-only tests."""
    from tests.local_dsql.clients.conftest import ACCOUNTS

    dsql_cluster.reset()
    psql(dsql_cluster, "-c", ACCOUNTS)


def test_script(dsql: LocalCluster, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text(
        "CREATE TABLE t (id int PRIMARY KEY, name text);\n"
        "CREATE INDEX ASYNC t_name ON t (name) \\gset\n"
        "CALL sys.wait_for_job(:'job_id');\n"
        "BEGIN;\n"
        "INSERT INTO t VALUES (1, 'a;b'), (2, $$c'd$$) RETURNING name;\n"
        "COMMIT;\n"
    )
    answer = psql(dsql, "-At", "-f", script)
    assert answer.stdout.splitlines() == [
        "CREATE TABLE", "t", "BEGIN", "a;b", "c'd", "INSERT 0 2", "COMMIT"
    ]  # fmt: skip


def test_script_in_one_transaction(dsql: LocalCluster, other: Other, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("INSERT INTO accounts VALUES (1, 'one');\nINSERT INTO accounts VALUES (:id, 'two');\n")
    psql(dsql, "-1", "-v", "id=2", "-f", script)
    assert other.execute("SELECT count(*) FROM accounts").fetchone() == (2,)
    again = psql(dsql, "-1", "-v", "id=3", "-f", script, status=3)
    assert 'duplicate key value violates unique constraint "accounts_pkey"' in again.stderr
    assert other.execute("SELECT count(*) FROM accounts").fetchone() == (2,)


def test_one_transaction_has_one_ddl(dsql: LocalCluster, tmp_path: Path) -> None:
    script = tmp_path / "script.sql"
    script.write_text("CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE b (id int PRIMARY KEY);\n")
    answer = psql(dsql, "-1", "-f", script, status=3)
    assert f"psql:{script}:2: ERROR:  multiple ddl statements not supported in a transaction" in answer.stderr
    assert not psql(dsql, "-Atc", r"\dt").stdout


def test_copy_through_a_file(dsql: LocalCluster, other: Other, tmp_path: Path) -> None:
    there, back = tmp_path / "in.csv", tmp_path / "out.csv"
    there.write_text("".join(f'{number},"{number}, ""x"" ü"\n' for number in range(2000)))
    answer = psql(dsql, "-c", rf"\copy accounts (id, owner) FROM '{there}' CSV")
    assert answer.stdout == "COPY 2000\n"
    assert other.execute("SELECT owner FROM accounts WHERE id = 7").fetchone() == ('7, "x" ü',)
    answer = psql(dsql, "-c", rf"\copy (SELECT id, owner FROM accounts ORDER BY id) TO '{back}' CSV")
    assert answer.stdout == "COPY 2000\n"
    assert back.read_text() == there.read_text()


def test_copy_of_too_many_rows_copies_none(dsql: LocalCluster, other: Other, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("".join(f"{number},x\n" for number in range(3001)))
    answer = psql(dsql, "-c", rf"\copy accounts (id, owner) FROM '{file}' CSV", status=1)
    assert "transaction row limit exceeded" in answer.stderr
    assert other.execute("SELECT count(*) FROM accounts").fetchone() == (0,)


def test_errors_point_at_their_place(dsql: LocalCluster) -> None:
    answer = psql(dsql, "-c", "SELECT\n nothing", status=1)
    assert answer.stderr.splitlines()[1:] == ["LINE 2:  nothing", "         ^"]


def test_conflict(dsql: LocalCluster, other: Other) -> None:
    other.execute("INSERT INTO accounts VALUES (1, 'one')")
    environment = os.environ | dsql.libpq_environment()
    with subprocess.Popen(
        ["psql", "-XAtq", "-v", "VERBOSITY=verbose"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.write("BEGIN; UPDATE accounts SET balance = 5 RETURNING balance;\n")
        session.stdin.flush()
        assert session.stdout.readline() == "5.00\n"
        other.execute("UPDATE accounts SET balance = 7")
        rest, errors = session.communicate(
            "SELECT balance FROM accounts; COMMIT;\nSELECT balance FROM accounts;"
        )
    assert rest.splitlines() == ["5.00", "7.00"]
    assert "ERROR:  40001: change conflicts with another transaction" in errors
    (conflict,) = dsql.conflicts()
    assert conflict.loser.startswith("admin@us-east-1#")
    assert [winner.partition("#")[0] for winner in conflict.winners] == ["admin@us-east-2"]
    assert (conflict.code, conflict.tables, conflict.rows) == ("OC000", ("accounts",), ("(1)",))
