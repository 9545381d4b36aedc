"""Clients as they are: psycopg in every mode, and psql."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.support.programs import needs_psql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS things (id int PRIMARY KEY, name text)")
        connection.execute("DELETE FROM things")
        yield connection


def test_transactions(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """Blocks commit and roll back, and prepared statements outlive both."""
    with cluster.connect(autocommit=False) as connection:
        for number in range(10):  # psycopg prepares after five
            with connection.transaction():
                connection.execute("INSERT INTO things VALUES (%s, %s)", (number, "x"))
        with pytest.raises(ZeroDivisionError), connection.transaction():
            connection.execute("DELETE FROM things")
            raise ZeroDivisionError
    assert admin.execute("SELECT count(*) FROM things").fetchone() == (10,)


def test_pipeline(admin: psycopg.Connection[Any]) -> None:
    """Statements sent without waiting are one implicit transaction, reads among writes."""
    with admin.pipeline():
        first = admin.execute("INSERT INTO things VALUES (1, 'a') RETURNING id")
        second = admin.execute("SELECT count(*) FROM things")
        third = admin.execute("UPDATE things SET name = 'b'")
        assert (first.fetchone(), second.fetchone(), third.rowcount) == ((1,), (1,), 1)


def test_pipeline_that_fails_changes_nothing(admin: psycopg.Connection[Any]) -> None:
    """An error in the middle skips the rest, and undoes what came before."""
    with pytest.raises(psycopg.errors.UniqueViolation), admin.pipeline():
        admin.execute("INSERT INTO things VALUES (1, 'a')")
        admin.execute("INSERT INTO things VALUES (1, 'a')")
        admin.execute("INSERT INTO things VALUES (2, 'a')")
    assert admin.execute("SELECT count(*) FROM things").fetchone() == (0,)


def test_executemany(admin: psycopg.Connection[Any]) -> None:
    """executemany is a pipeline of many executions."""
    with admin.cursor() as cursor:
        cursor.executemany("INSERT INTO things VALUES (%s, %s)", [(number, "m") for number in range(500)])
        assert cursor.rowcount == 500


@pytest.mark.parametrize("format", ["text", "binary"])
def test_copy(admin: psycopg.Connection[Any], format: str) -> None:
    """COPY in both directions and both formats."""
    with admin.cursor() as cursor:
        with cursor.copy(f"COPY things FROM STDIN (FORMAT {format})") as copy:
            copy.set_types(["int4", "text"])
            for number in range(1000):
                copy.write_row((number, "ü" * 100))
        assert cursor.rowcount == 1000
        with cursor.copy(f"COPY things TO STDOUT (FORMAT {format})") as copy:
            copy.set_types(["int4", "text"])
            assert sum(1 for _ in copy.rows()) == 1000


def test_copy_keeps_to_the_row_limit(admin: psycopg.Connection[Any]) -> None:
    """COPY counts like any other statement."""
    with pytest.raises(psycopg.errors.ProgramLimitExceeded), admin.cursor() as cursor:
        with cursor.copy("COPY things FROM STDIN") as copy:
            for number in range(3001):
                copy.write_row((number, "x"))
    assert admin.execute("SELECT count(*) FROM things").fetchone() == (0,)


def test_copy_that_the_client_breaks_off(admin: psycopg.Connection[Any]) -> None:
    """An exception in the client's loop ends the COPY, and the connection is good."""
    with pytest.raises(ZeroDivisionError), admin.cursor() as cursor:
        with cursor.copy("COPY things FROM STDIN") as copy:
            copy.write_row((1, "x"))
            raise ZeroDivisionError
    assert admin.execute("SELECT count(*) FROM things").fetchone() == (0,)


def test_no_statement_waits_for_a_slow_copy(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """While a client thinks between two rows of its COPY, others write."""
    with cluster.connect() as other, admin.cursor() as cursor:
        with cursor.copy("COPY things FROM STDIN") as copy:
            copy.write_row((1, "x"))
            assert other.execute("INSERT INTO things VALUES (2, 'y')").rowcount == 1
            copy.write_row((3, "x"))
    assert admin.execute("SELECT count(*) FROM things").fetchone() == (3,)


def test_large_result(admin: psycopg.Connection[Any]) -> None:
    """Two hundred thousand rows, read one by one: the server does not run ahead of the client."""
    with admin.cursor() as cursor:
        rows = cursor.stream("SELECT g, repeat('x', 100) FROM generate_series(1, 200000) g")
        assert sum(1 for _ in rows) == 200_000


def test_no_statement_waits_for_an_unread_result(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """A transaction holds a row and leaves a large result unread; another one takes the row all the same."""
    admin.execute("INSERT INTO things VALUES (1, 'x')")
    with cluster.connect(autocommit=False) as reader, cluster.connect() as writer:
        reader.execute("UPDATE things SET name = 'mine'")
        with reader.cursor() as cursor:
            rows = cursor.stream("SELECT g, repeat('x', 1000) FROM generate_series(1, 50000) g")
            assert next(rows)[0] == 1
            assert writer.execute("UPDATE things SET name = 'theirs'").rowcount == 1
            assert sum(1 for _ in rows) == 49_999
        with pytest.raises(psycopg.errors.SerializationFailure):
            reader.commit()


def test_async_connections(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """Thirty asynchronous clients, each with its own row."""

    async def client(number: int) -> int:
        parameters = cluster.parameters()
        async with await psycopg.AsyncConnection.connect(**parameters) as connection:
            await connection.execute("INSERT INTO things VALUES (%s, 'async')", (number,))
            await connection.commit()
            cursor = await connection.execute("SELECT id FROM things WHERE id = %s", (number,))
            row = await cursor.fetchone()
            return int(row[0]) if row else -1

    async def clients() -> list[int]:
        return await asyncio.gather(*(client(number) for number in range(30)))

    assert asyncio.run(clients()) == list(range(30))


def test_a_vanished_client_holds_nothing(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """The connection breaks in the middle of a long statement; its row is free at once."""
    admin.execute("INSERT INTO things VALUES (1, 'x')")
    gone = cluster.connect(autocommit=False)
    gone.execute("UPDATE things SET name = 'gone'")
    gone.pgconn.send_query(b"SELECT pg_sleep(30)")
    gone.pgconn.flush()
    gone.pgconn.finish()
    assert admin.execute("UPDATE things SET name = 'here'").rowcount == 1


@needs_psql
def test_psql(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """psql verifies in full, describes tables, runs several statements, and shows DSQL's refusals."""
    script = r"""
\set VERBOSITY verbose
INSERT INTO things VALUES (1, 'psql');
\d things
SELECT name FROM things \g
TRUNCATE things;
BEGIN; UPDATE things SET name = 'two'; COMMIT;
SELECT name FROM things;
"""
    environment = {**os.environ, "PGPASSWORD": cluster.token(), "PGCONNECT_TIMEOUT": "10"}
    target = f"host=localhost port={cluster.port} user=admin dbname=postgres"
    target += f" sslmode=verify-full sslrootcert={cluster.ca}"
    done = subprocess.run(
        ["psql", "-X", target],
        input=script,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "PRIMARY KEY" in done.stdout
    assert "psql" in done.stdout
    assert "two" in done.stdout
    assert "0A000: unsupported statement: Truncate" in done.stderr
