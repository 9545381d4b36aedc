"""A PostgreSQL as the product runs it, with the reader's settings, and connections to it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local_dsql.postgres import (
    SUPERUSER,
    DataDirectory,
    Postgres,
    choose_account,
    data_directory,
    find_binaries,
)
from local_dsql.postgres.settings import INITDB_OPTIONS, SETTINGS
from local_dsql.write_ahead_log import LogReader, Snapshot, parse_lsn, retention

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MIB = 1024 * 1024
DROP_SLOT = f"SELECT pg_catalog.pg_drop_replication_slot('{retention.SLOT}')"
"""Statement that releases the whole log, on the connection that holds the slot."""


@dataclass
class Server:
    """A running PostgreSQL; `segment_size` is the size of its log files in bytes."""

    data: DataDirectory
    postgres: Postgres
    segment_size: int
    connections: list[psycopg.Connection] = field(default_factory=list)

    def connect(self, dbname: str = "postgres", user: str = SUPERUSER) -> psycopg.Connection:
        """Connect in autocommit."""
        connection = psycopg.connect(
            host=str(self.postgres.sockets), user=user, dbname=dbname, autocommit=True
        )
        self.connections.append(connection)
        return connection

    def reader(
        self, connection: psycopg.Connection, *, folder: Path | None = None, start: int | None = None
    ) -> LogReader:
        """Return a reader of the connection's database, from now on; or from a position, of a copy of the log."""
        ((oid, now, timeline, snapshot),) = rows(
            connection,
            "SELECT oid::int8, pg_current_wal_insert_lsn()::text, "
            "(SELECT timeline_id FROM pg_control_checkpoint()), pg_current_snapshot()::text "
            "FROM pg_database WHERE datname = current_database()",
        )
        return LogReader(
            folder or self.data.path,
            start=parse_lsn(now) if start is None else start,
            database=oid,
            timeline=timeline,
            segment_size=self.segment_size,
            next_xid=Snapshot.parse(snapshot).xmax,
        )

    def stop(self) -> None:
        for connection in self.connections:
            connection.close()
        self.postgres.stop()


def initialise(folder: Path, segment_size: int) -> DataDirectory:
    """Make a data directory with log files of a size that the product may choose."""
    data = DataDirectory(folder / "data")
    options = [option for option in INITDB_OPTIONS if not option.startswith("--wal-segsize")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_directory, "INITDB_OPTIONS", (*options, f"--wal-segsize={segment_size // MIB}"))
        data.initialise(find_binaries(), choose_account())
    return data


def start(folder: Path, data: DataDirectory, segment_size: int, settings: Mapping[str, str]) -> Server:
    """Start a server on a data directory; `settings` come on top of those of product and reader."""
    account, sockets = choose_account(), folder / "run"
    sockets.mkdir(mode=0o700, exist_ok=True)
    account.own(sockets)
    postgres = Postgres.start(
        find_binaries(),
        data,
        sockets=sockets,
        log=folder / "log",
        account=account,
        settings={**SETTINGS, **retention.SETTINGS, **settings},
    )
    postgres.wait_until_ready()
    return Server(data, postgres, segment_size)


@contextmanager
def running(
    folder: Path, segment_size: int = MIB, settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Make a data directory, and run a server on it."""
    server = start(folder, initialise(folder, segment_size), segment_size, settings or {})
    try:
        yield server
    finally:
        server.stop()


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return connection.execute(query.encode()).fetchall()
