"""Statements that were reported as answered otherwise than by a cluster: one row for each report.

Where the difference stays, the row names its entry in the registry. The reports on files are in
`tests/dsql_dialect/test_reported_files.py`, pg_dump in `clients/test_pg_dump.py`, jobs in `waits/test_index_jobs.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest

from local_dsql import LocalCluster
from local_dsql.divergences import BY_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTITY = "arn:aws:iam::123456789012:role/x"


class Report(NamedTuple):
    """Statements in one session, and the answer of a cluster to the last: a SQLSTATE and text, or the first column."""

    statements: list[str]
    answer: object
    divergence: str | None = None


TABLE = "CREATE TABLE t (id uuid PRIMARY KEY, name text, email text UNIQUE)"
REPORTS = {
    "a column without a type": Report(
        ["CREATE TABLE y PARTITION OF x (zone DEFAULT 'a') FOR VALUES FROM (1) TO (2)"],
        ("0A000", "PARTITION OF clause not supported"),
    ),
    "a primary key that is dropped": Report(
        [TABLE, "ALTER TABLE t DROP CONSTRAINT t_pkey"],
        ("0A000", "unsupported ALTER TABLE DROP CONSTRAINT statement"),
    ),
    "the definition of a primary key": Report(
        [TABLE, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 't_pkey'"],
        ["PRIMARY KEY (id) INCLUDE (name, email)"],
    ),
    "the indexes of a table": Report(
        [TABLE, "SELECT indexdef FROM pg_indexes WHERE tablename = 't' ORDER BY indexname DESC"],
        [
            "CREATE UNIQUE INDEX t_pkey ON public.t USING btree_index (id) INCLUDE (name, email)",
            "CREATE UNIQUE INDEX t_email_key ON public.t USING btree_index (email)",
        ],
    ),
    "the index of a primary key as psql asks for it": Report(
        [
            TABLE,
            "SELECT pg_get_indexdef('t_pkey'::regclass, 0, true) || pg_get_indexdef('t_pkey'::regclass, 1, true)",
        ],
        ["CREATE UNIQUE INDEX t_pkey ON t USING btree_index (id) INCLUDE (name, email)id"],
    ),
    "a primary key of all columns": Report(
        [
            "CREATE TABLE u (a int, b int, PRIMARY KEY (b, a))",
            "SELECT pg_get_constraintdef(oid, true) FROM pg_constraint WHERE conname = 'u_pkey'",
        ],
        ["PRIMARY KEY (b, a)"],
    ),
    "a primary key with INCLUDE, a dropped column and an added one": Report(
        [
            'CREATE TABLE u (a int, "b)" int, c int, PRIMARY KEY (a) INCLUDE ("b)"))',
            "ALTER TABLE u DROP COLUMN c",
            "ALTER TABLE u ADD COLUMN d int",
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'u_pkey'",
        ],
        ['PRIMARY KEY (a) INCLUDE ("b)", d)'],
    ),
    "an index with names that look like a definition": Report(
        [
            'CREATE TABLE " USING btree (" (id int)',
            'CREATE INDEX ASYNC """ USING btree (" ON " USING btree (" ((id || \' USING btree (\'))',
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        ],
        [
            'CREATE INDEX """ USING btree (" ON public." USING btree (" USING btree_index '
            "(((id || ' USING btree ('::text)))"
        ],
    ),
    "the definition of a unique constraint": Report(
        [TABLE, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 't_email_key'"],
        ["UNIQUE (email)"],
    ),
    "the access method of an index": Report(
        [TABLE, "SELECT amname FROM pg_am a JOIN pg_class c ON c.relam = a.oid WHERE relname = 't_pkey'"],
        ["btree_index"],
    ),
    "extensions": Report(["SELECT name FROM pg_available_extensions"], []),
    "schemas": Report(
        ["SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information)' ORDER BY 1"],
        ["public", "sys"],
        "catalog-shows-proxy",
    ),
    "an index with USING and without ASYNC": Report(
        [TABLE, "CREATE INDEX i ON t USING btree (name)"],
        ("0A000", "USING not supported for CREATE INDEX"),
    ),
    "a function of PostgreSQL 18": Report(
        ["CREATE TABLE u (id uuid PRIMARY KEY DEFAULT uuidv7())"],
        ("42883", "function uuidv7() does not exist"),
    ),
    "a mapping granted twice": Report(
        ["CREATE ROLE r WITH LOGIN", *[f"AWS IAM GRANT r TO '{IDENTITY}'"] * 2],
        ("?", "an error"),
        "repeated-iam-grant",
    ),
    "a parameter of DSQL's own": Report(
        ["SET disable_sync_create_index = off", "SHOW disable_sync_create_index"], ["off"]
    ),
    "an index without ASYNC where that parameter is off": Report(
        [TABLE, "SET disable_sync_create_index = off", "CREATE INDEX i ON t (name)"],
        "CREATE INDEX",
        "synchronous-index",
    ),
    "a parameter that asyncpg sets": Report(
        ["SELECT set_config('jit', 'off', false)"], ["off"], "set-config-jit"
    ),
    "an owner that does not exist": Report(
        [TABLE, "ALTER TABLE t OWNER TO postgres"], ("42704", 'role "postgres" does not exist')
    ),
    "CACHE of another size": Report(
        ["CREATE SEQUENCE s CACHE 1000"],
        ("22023", "CACHE (1000) must be greater than or equal to 65536 or equal to 1"),
    ),
    "CACHE 2 of an identity": Report(
        ["CREATE TABLE u (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 2) PRIMARY KEY)"],
        ("22023", "CACHE (2) must be greater than or equal to 65536 or equal to 1"),
    ),
    "a sequence without CACHE": Report(
        ["CREATE SEQUENCE s"],
        (
            "0A000",
            "CREATE SEQUENCE is not supported without an explicit cache size. "
            "please define CACHE greater than or equal to 65536 or equal to 1",
        ),
    ),
    "a sequence of another type": Report(
        ["CREATE SEQUENCE s AS numeric CACHE 1"], ("22023", "sequence type must be bigint")
    ),
    "a role that inherits": Report(["CREATE ROLE r INHERIT"], "CREATE ROLE"),
    "an event trigger": Report(
        ["DROP EVENT TRIGGER IF EXISTS e"], ("0A000", "unsupported object in DROP statement")
    ),
    "an index renamed": Report(
        ["ALTER INDEX i RENAME TO j"], ("0A000", "unsupported object in RENAME statement")
    ),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("reported"), dialect="2026-09") as running:
        yield running


def answer(cluster: LocalCluster, statements: list[str]) -> object:
    with psycopg.connect(cluster.dsn(), autocommit=True) as client:
        *before, last = statements
        for sql in before:
            client.execute(sql.encode())
        try:
            cursor = client.execute(last.encode())
        except psycopg.Error as error:
            assert error.diag.context is None
            return error.diag.sqlstate, error.diag.message_primary
        return [row[0] for row in cursor] if cursor.description else cursor.statusmessage


def rows() -> Iterator[object]:
    for name, report in REPORTS.items():
        entry = report.divergence
        marks = [] if entry is None else [pytest.mark.xfail(strict=True, reason=BY_ID[entry].sentence)]
        yield pytest.param(report, id=name, marks=marks)


@pytest.mark.parametrize("report", list(rows()))
def test_the_answer_to_reported_statements(cluster: LocalCluster, report: Report) -> None:
    cluster.reset()
    assert answer(cluster, report.statements) == report.answer
