"""The tables the migrator keeps in the database: the journal, the lease and the ledger of grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime import sql
from migration_manifest import JOURNAL, LEASE, LEDGER

if TYPE_CHECKING:
    from typing import Protocol

    from blocks_runtime import Sql
    from blocks_runtime.database.results import Row

    class Reader(Protocol):
        """A connection for reading: an `AdminConnection`, or a read-only one."""

        def read(self, statement: Sql) -> list[Row]:
            """Return the rows of a query."""
            ...


CREATE = {
    JOURNAL: sql("""\
CREATE TABLE IF NOT EXISTS public._migrations (
    version BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    statement INTEGER NOT NULL,
    state TEXT NOT NULL,
    job TEXT,
    rows_changed BIGINT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    applied_at TIMESTAMPTZ,
    applied_by TEXT NOT NULL
)"""),
    LEASE: sql("""\
CREATE TABLE IF NOT EXISTS public._migrations_lock (
    id INTEGER PRIMARY KEY,
    token BIGINT NOT NULL,
    holder TEXT NOT NULL,
    acquired_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
)"""),
    LEDGER: sql("""\
CREATE TABLE IF NOT EXISTS public._grants (
    id TEXT PRIMARY KEY,
    database_name TEXT NOT NULL,
    grants TEXT NOT NULL,
    state TEXT NOT NULL,
    revoked BOOLEAN NOT NULL,
    stack TEXT NOT NULL,
    owner TEXT NOT NULL,
    made_from TEXT,
    request TEXT NOT NULL,
    seen BIGINT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    number BIGINT,
    cluster TEXT
)"""),
}

ADDED_COLUMNS = {
    "number": sql("ALTER TABLE public._grants ADD COLUMN IF NOT EXISTS number BIGINT"),
    "cluster": sql("ALTER TABLE public._grants ADD COLUMN IF NOT EXISTS cluster TEXT"),
}
"""Columns of the ledger that an earlier release did not create; it neither reads nor writes them."""

COLUMNS = sql("""\
SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname = '_grants' AND a.attname IN ('number', 'cluster')""")

EXISTING = sql("""\
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname IN ('_migrations', '_migrations_lock', '_grants')""")


def missing(reader: Reader) -> list[str]:
    """Return the names of the tables that do not exist yet."""
    existing = {row["relname"] for row in reader.read(EXISTING)}
    return [name for name in CREATE if name not in existing]


def creating_statements(reader: Reader) -> list[Sql]:
    """Return the statements that create the missing tables, and the missing columns of an existing ledger."""
    absent = missing(reader)
    created = [CREATE[name] for name in absent]
    if LEDGER in absent:
        return created
    existing = {row["attname"] for row in reader.read(COLUMNS)}
    return [*created, *(statement for name, statement in ADDED_COLUMNS.items() if name not in existing)]
