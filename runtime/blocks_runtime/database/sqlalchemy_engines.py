"""SQLAlchemy engines over the runtime's logins: AWS's dialect for DSQL, the same tokens, TLS and connection care.

The dialect is `aurora-dsql-sqlalchemy`; for asyncio, which it does not know, it is put together here with
SQLAlchemy's own. An engine keeps connections of its own, so `dispose()` it when done.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

try:
    from aurora_dsql_sqlalchemy.psycopg import AuroraDSQLDialect_psycopg
    from sqlalchemy import create_engine, event
    from sqlalchemy.dialects import registry
    from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
    from sqlalchemy.exc import DBAPIError as DBAPIError
    from sqlalchemy.exc import DisconnectionError
except ImportError as missing:
    from ..errors import ConfigurationError

    raise ConfigurationError(
        f"no SQLAlchemy engine without its dialect for DSQL ({missing}); run `pip install 'blocks-dsql[sqlalchemy]'`"
    ) from missing

from psycopg import Error, pq

from ..errors import TransactionAborted
from .session import IDLE, LIFETIME, readability_check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    import psycopg
    import sqlalchemy.ext.asyncio
    from sqlalchemy import URL, Connection, Dialect
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    AlchemyEngine: TypeAlias = sqlalchemy.Engine
    AsyncAlchemyEngine: TypeAlias = sqlalchemy.ext.asyncio.AsyncEngine

_EXPIRES, _USED, _READABLE = "blocks_expires", "blocks_used", "blocks_readable"


class AsyncDialect(PGDialectAsync_psycopg, AuroraDSQLDialect_psycopg):  # type: ignore[misc]  # has no types
    """AWS's dialect, waiting as SQLAlchemy's asynchronous one does."""

    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Dialect]:
        """Return this class, where SQLAlchemy would name its own."""
        return cls


registry.register("auroradsql.psycopg_async", __name__, AsyncDialect.__name__)


def make_engine(
    connect: Callable[[], psycopg.Connection[Any]], size: int, options: dict[str, object]
) -> AlchemyEngine:
    """Return an engine that opens connections with `connect`, `size` of them at most."""
    chosen: dict[str, Any] = {**_defaults(size), **options}
    engine = create_engine("auroradsql+psycopg://", creator=connect, **chosen)
    _take_care(engine)
    return engine


def make_async_engine(
    connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]], size: int, options: dict[str, object]
) -> AsyncAlchemyEngine:
    """Return the same for asyncio."""
    from sqlalchemy.ext.asyncio import create_async_engine

    chosen: dict[str, Any] = {**_defaults(size), **options}
    engine = create_async_engine("auroradsql+psycopg_async://", async_creator=connect, **chosen)
    _take_care(engine.sync_engine)
    return engine


def _defaults(size: int) -> dict[str, object]:
    """Return options that make an engine behave as the runtime does.

    Its pool lends the connection used last first; its errors and its log show no parameters.
    """
    return {"pool_size": size, "max_overflow": 0, "pool_use_lifo": True, "hide_parameters": True}


def _take_care(engine: AlchemyEngine) -> None:
    """Look at a connection before it is lent, and at a transaction before it is committed."""
    event.listen(engine, "connect", _born)
    event.listen(engine, "checkin", _returned)
    event.listen(engine, "checkout", lambda dbapi, record, _: _checked_out(engine.dialect, dbapi, record))
    event.listen(engine, "commit", _committing)


def _born(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    age = random.uniform(*LIFETIME)  # noqa: S311 (jitter, not a secret)
    record.info[_EXPIRES] = time.monotonic() + age, time.time() + age
    record.info[_USED] = time.monotonic(), time.time()
    driver: Any = record.driver_connection
    record.info[_READABLE] = readability_check(driver.fileno())


def _returned(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic(), time.time()


def _checked_out(dialect: Dialect, dbapi: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """Have a connection replaced that is too old or was torn, or does not answer after a rest.

    A frozen sandbox stops the monotonic clock and a set clock moves the other, so both are asked.
    """
    now, wall = time.monotonic(), time.time()
    expires, expires_by_wall = record.info[_EXPIRES]
    used, used_by_wall = record.info[_USED]
    if now > expires or wall > expires_by_wall:
        raise DisconnectionError("the connection is near the end of its hour")
    driver: Any = record.driver_connection
    if driver.closed or record.info[_READABLE]():
        raise DisconnectionError("the server closed the connection")
    if now - used > IDLE or not 0 <= wall - used_by_wall <= IDLE:
        try:
            dialect.do_ping(dbapi)
        except (Error, DBAPIError) as error:
            raise DisconnectionError("the connection does not answer after its rest") from error


def _committing(connection: Connection) -> None:
    """Refuse to commit what DSQL would answer with ROLLBACK, and SQLAlchemy would take for a commit."""
    driver: Any = connection.connection.driver_connection
    if driver.info.transaction_status == pq.TransactionStatus.INERROR:
        raise TransactionAborted(
            "a statement of the transaction had failed, so nothing of it can be committed", sqlstate="25P02"
        )
