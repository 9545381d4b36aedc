"""SQLAlchemy engines over the runtime's logins: AWS's dialect for DSQL, the same tokens, TLS and connection care.

The dialect is `aurora-dsql-sqlalchemy`; it has no asyncio support, so this module combines it with SQLAlchemy's own.
An engine has a pool of its own, so `dispose()` it when done.
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
from psycopg.adapt import Transformer

from ..errors import ConnectionFailed, TransactionAborted
from .classification import translate, unknown_commit, unknown_statement
from .fragments import Sql
from .message_size import check_length, may_be_too_long
from .read_only import is_read_only
from .session import IDLE, LIFETIME, readability_check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    import psycopg
    import sqlalchemy.ext.asyncio
    from sqlalchemy import URL, Connection, Dialect
    from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

    AlchemyEngine: TypeAlias = sqlalchemy.Engine
    AsyncAlchemyEngine: TypeAlias = sqlalchemy.ext.asyncio.AsyncEngine
    _Values: TypeAlias = dict[str, object] | tuple[object, ...]
    _Parameters: TypeAlias = _Values | list[_Values]

    from ..errors import DatabaseError

_EXPIRES, _USED, _READABLE = "blocks_expires", "blocks_used", "blocks_readable"
_COMMITTING = "blocks_committing"


class AsyncDialect(PGDialectAsync_psycopg, AuroraDSQLDialect_psycopg):  # type: ignore[misc]  # has no types
    """AWS's dialect on SQLAlchemy's asynchronous one."""

    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Dialect]:
        """Return this class in place of SQLAlchemy's own."""
        return cls


registry.register("auroradsql.psycopg_async", __name__, AsyncDialect.__name__)


def make_engine(
    connect: Callable[[], psycopg.Connection[Any]], size: int, options: dict[str, object]
) -> AlchemyEngine:
    """Return an engine that opens up to `size` connections with `connect`."""
    chosen: dict[str, Any] = {**_defaults(size), **options}
    engine = create_engine("auroradsql+psycopg://", creator=connect, **chosen)
    _add_listeners(engine)
    return engine


def make_async_engine(
    connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]], size: int, options: dict[str, object]
) -> AsyncAlchemyEngine:
    """Return an asyncio engine that opens up to `size` connections with `connect`."""
    from sqlalchemy.ext.asyncio import create_async_engine

    chosen: dict[str, Any] = {**_defaults(size), **options}
    engine = create_async_engine("auroradsql+psycopg_async://", async_creator=connect, **chosen)
    _add_listeners(engine.sync_engine)
    return engine


def _defaults(size: int) -> dict[str, object]:
    """Return options that make an engine behave as the runtime does.

    Its pool lends the most recently used connection first; its errors and log show no parameters.
    """
    return {"pool_size": size, "max_overflow": 0, "pool_use_lifo": True, "hide_parameters": True}


def _add_listeners(engine: AlchemyEngine) -> None:
    """Check connections at checkout, messages for their size, COMMITs, and errors for an outcome that is unknown."""
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "checkin", _on_checkin)
    event.listen(engine, "checkout", lambda dbapi, record, _: _on_checkout(engine.dialect, dbapi, record))
    event.listen(engine, "before_cursor_execute", _on_execute)
    event.listen(engine, "commit", _on_commit)
    event.listen(engine, "begin", _on_begin)
    event.listen(engine, "handle_error", _on_error)


def _on_connect(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    age = random.uniform(*LIFETIME)  # noqa: S311 (jitter, not a secret)
    record.info[_EXPIRES] = time.monotonic() + age, time.time() + age
    record.info[_USED] = time.monotonic(), time.time()
    driver: Any = record.driver_connection
    record.info[_READABLE] = readability_check(driver.fileno())


def _on_checkin(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic(), time.time()


def _on_checkout(dialect: Dialect, dbapi: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """Replace a connection that is too old or lost, or does not answer after idling.

    Both clocks count: a frozen sandbox stops the monotonic one, and setting the time moves the other.
    """
    now, wall = time.monotonic(), time.time()
    expires, expires_by_wall = record.info[_EXPIRES]
    used, used_by_wall = record.info[_USED]
    if now > expires or wall > expires_by_wall:
        raise DisconnectionError("the connection is near the end of its lifetime")
    driver: Any = record.driver_connection
    if driver.closed or record.info[_READABLE]():
        raise DisconnectionError("the server closed the connection")
    if now - used > IDLE or not 0 <= wall - used_by_wall <= IDLE:
        try:
            dialect.do_ping(dbapi)
        except (Error, DBAPIError) as error:
            raise DisconnectionError("the connection does not answer after idling") from error


def _on_execute(
    connection: Connection, _: object, statement: str, parameters: _Parameters, *_others: object
) -> None:
    """Refuse a statement whose messages are too long for the server, before one is sent."""
    for each in parameters if isinstance(parameters, list) else [parameters]:
        one = Sql((), tuple(each.values() if isinstance(each, dict) else each), statement)
        if may_be_too_long(one):
            driver: Any = connection.connection.driver_connection
            check_length(one, Transformer(driver))


def _on_commit(connection: Connection) -> None:
    """Refuse to commit a failed transaction: DSQL would answer ROLLBACK, which SQLAlchemy reads as a commit."""
    driver: Any = connection.connection.driver_connection
    if driver.info.transaction_status == pq.TransactionStatus.INERROR:
        raise TransactionAborted(
            "a statement of the transaction had failed, so nothing of it can be committed", sqlstate="25P02"
        )
    connection.info[_COMMITTING] = True


def _on_begin(connection: Connection) -> None:
    connection.info.pop(_COMMITTING, None)


def _on_error(context: ExceptionContext) -> DatabaseError | None:
    """Return the error to raise for a lost reply to COMMIT, or to a write in autocommit mode; else None."""
    connection, original = context.connection, context.original_exception
    if connection is None or not isinstance(original, Error):
        return None
    failure = translate(original, lost=context.is_disconnect)
    committing = connection.info.pop(_COMMITTING, False) and context.statement is None
    if not isinstance(failure, ConnectionFailed):
        return None
    if committing:
        return unknown_commit(failure)
    if context.statement is None or _only_reads(context.statement):
        return None
    driver: Any = connection.connection.driver_connection
    return unknown_statement(failure) if driver.autocommit else None


def _only_reads(statement: str) -> bool:
    try:
        return is_read_only(Sql((statement,)))
    except ValueError:  # a parameter written by hand
        return False
