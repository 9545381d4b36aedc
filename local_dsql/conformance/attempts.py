"""Attempts that are no single statement: COPY, logins, and transactions in two Regions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    from local_dsql.conformance.session import ClusterUnderTest

TABLE = "blocks_acceptance_copy"
"""The table that COPY fills; it is dropped at the end."""

_LOGIN_SECONDS = 10
_DIRECT_TLS = 170000  # the first libpq with sslnegotiation


def copy_rows(cluster: ClusterUnderTest, rows: int) -> str:
    """Return the answer to COPY FROM STDIN of so many rows, and the number of lines of COPY TO STDOUT after it."""
    with psycopg.connect(cluster.dsn, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
        connection.execute(f"CREATE TABLE {TABLE} (id int PRIMARY KEY, v text)")
        try:
            return _copied(connection, rows)
        except psycopg.Error as error:
            return f"{error.sqlstate} {error.diag.message_primary}"
        finally:
            connection.execute(f"DROP TABLE IF EXISTS {TABLE}")


def _copied(connection: psycopg.Connection, rows: int) -> str:
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY {TABLE} (id, v) FROM STDIN") as copy:
            for number in range(rows):
                copy.write_row((number, None if number % 2 else "a\tb"))
        answer = cursor.statusmessage or ""
        with cursor.copy(f"COPY {TABLE} TO STDOUT") as copy:
            lines = sum(bytes(block).count(b"\n") for block in copy)
    return f"{answer}, {lines} lines out"


def attempt_login(cluster: ClusterUnderTest, **changed: str) -> str:
    """Log in with changed parameters, and return `accepted` or the text of the refusal, without host and hint."""
    if changed.get("sslmode") == "disable" and psycopg.pq.version() >= _DIRECT_TLS:
        changed["sslnegotiation"] = "postgres"  # libpq refuses the combination with direct TLS by itself
    try:
        psycopg.connect(make_conninfo(cluster.dsn, connect_timeout=_LOGIN_SECONDS, **changed)).close()
    except psycopg.OperationalError as error:
        said = re.search(r"(?:FATAL|ERROR):\s+([^\n]*)", str(error))
        return said[1].strip() if said else "closed without a message"
    return "accepted"


def conflict_between(home: ClusterUnderTest, peer: ClusterUnderTest, table: str) -> str:
    """Insert a row in one Region, read it in the other, then update it in both; return what the second COMMIT answers.

    `table` has the columns `id`, with a default or of type uuid, and `note`.
    """
    with psycopg.connect(home.dsn) as first, psycopg.connect(peer.dsn) as second:
        first.execute(f"INSERT INTO {table} (id, note) VALUES (gen_random_uuid(), 'two regions')")
        first.commit()
        seen = second.execute(f"SELECT count(*) FROM {table} WHERE note = 'two regions'").fetchone()
        second.commit()
        for each in (first, second):
            each.execute(f"UPDATE {table} SET note = 'changed' WHERE note = 'two regions'")
        first.commit()
        try:
            second.commit()
        except psycopg.Error as error:
            return f"{seen and seen[0]} row in the other Region; second commit: {error.sqlstate}"
    return f"{seen and seen[0]} row in the other Region; second commit: accepted"
