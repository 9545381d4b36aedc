"""Databases that the proofs run on: the local DSQL with two Regions, a plain PostgreSQL, and one given by its DSN."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from dsql_dialect.profiles import NEWEST
from local_dsql import LocalCluster
from tests.local_dsql.differential.plain_postgres import PlainPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

REGIONS = ("us-east-1", "us-east-2")
LOCAL, PLAIN, GIVEN = "local DSQL", "PostgreSQL 16", "DSN"


@dataclass(frozen=True)
class Target:
    """A database: its name in the tables, a DSN for each Region, and whether no statement waits for a lock there."""

    name: str
    dsns: dict[str, str]
    optimistic: bool

    @property
    def regions(self) -> tuple[str, ...]:
        """The names of the Regions, the default one first."""
        return tuple(self.dsns)

    def dsn(self, region: str | None = None) -> str:
        """Return the DSN of a Region, by default of the first."""
        return self.dsns[region or self.regions[0]]


@contextlib.contextmanager
def local() -> Iterator[Target]:
    """Start a local DSQL with two Regions."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(folder, regions=REGIONS, dialect=NEWEST.name) as cluster,
    ):
        yield Target(LOCAL, {region: cluster.dsn(region) for region in REGIONS}, optimistic=True)


@contextlib.contextmanager
def plain() -> Iterator[Target]:
    """Start a PostgreSQL without a proxy; its transactions are repeatable reads by default."""
    server = PlainPostgres()
    try:
        yield Target(PLAIN, {"here": server.dsn}, optimistic=False)
    finally:
        server.close()


@contextlib.contextmanager
def given(dsn: str) -> Iterator[Target]:
    """Use a running database without tables; the proofs create and drop their own. DSQL has the schema `sys`.

    Raises:
        SystemExit: the schema `public` has tables, which the proofs might drop.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'sys'").fetchone()
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    if tables:
        raise SystemExit(
            f"make isolation: the database of DSN has tables, {tables[0][0]} among them; the proofs drop tables by "
            "name; give a database without tables"
        )
    optimistic = row == (1,)
    if not optimistic:  # PostgreSQL's default is not snapshot isolation
        dsn = make_conninfo(dsn, options=r"-c default_transaction_isolation=repeatable\ read")
    yield Target(GIVEN, {"here": dsn}, optimistic=optimistic)
