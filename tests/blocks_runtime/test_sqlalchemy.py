"""SQLAlchemy engines on the runtime's logins: ORM sessions, conflicts, lost connections, both kinds of engine."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, errors
from blocks_runtime.aio.orm import transaction as async_transaction
from blocks_runtime.orm import failure_of, transaction
from tests.blocks_runtime.conftest import ROLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine.interfaces import DBAPIConnection


class Base(orm.DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    n: orm.Mapped[int]


class Part(Base):
    """Refers to an item; known to the dialect, and to clusters since 2026-08-26."""

    __tablename__ = "parts"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True, autoincrement=False)
    item: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("items.id"))


N = sa.select(Item.n).where(Item.id == 1)


@pytest.fixture
def engine(db: DistributedDatabase) -> Iterator[sa.Engine]:
    engine = db.sqlalchemy_engine()
    yield engine
    engine.dispose()


def connects(engine: sa.Engine) -> list[object]:
    """Return a list that grows with every connection that the engine opens."""
    seen: list[object] = []
    sa.event.listen(engine, "connect", lambda connection, _: seen.append(connection))
    return seen


def lent(engine: sa.Engine) -> psycopg.Connection[tuple[object, ...]]:
    """Return the driver's connection that the next user will get, which is idle again."""
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def test_the_dialect_is_aws_with_the_runtimes_login(engine: sa.Engine) -> None:
    assert engine.dialect.name == "auroradsql"
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT current_user")) == ROLE
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        assert driver.pgconn.ssl_in_use
        assert driver.info.get_parameters()["sslmode"] == "verify-full"


def test_session(engine: sa.Engine) -> None:
    with orm.Session(engine) as session, session.begin():
        item = session.get_one(Item, 1)
        item.n -= 30
        session.add(Item(id=3, n=30))
        session.delete(session.get_one(Item, 2))
    with orm.Session(engine) as session:
        rows = session.execute(sa.select(Item.id, Item.n).order_by(Item.id))
        assert [tuple(row) for row in rows] == [(1, 70), (3, 30)]
        assert session.scalars(sa.select(Item).where(Item.id.in_([1, 3]), Item.n > 50)).one().id == 1


def test_options_are_those_of_sqlalchemy(db: DistributedDatabase) -> None:
    engine = db.sqlalchemy_engine(pool_size=2, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        assert connection.execute(sa.update(Item).values(n=7)).rowcount == 2
    with engine.connect() as connection:
        assert connection.scalar(N) == 7
    engine.dispose()


def test_a_statement_repeated_often_is_prepared(engine: sa.Engine) -> None:
    for _ in range(20):
        with engine.begin() as connection:
            assert connection.scalar(N) == 100


def test_a_conflict_runs_the_function_again(db: DistributedDatabase, engine: sa.Engine) -> None:
    runs: list[int] = []

    def add(session: orm.Session) -> int:
        runs.append(1)
        item = session.get_one(Item, 1)
        item.n += 1
        return item.n

    sessions = orm.sessionmaker(engine)
    db.simulate_conflict(times=2, table="items")
    assert transaction(sessions.begin, add, retry_on_conflict=True) == 101
    assert len(runs) == 3
    db.simulate_conflict(times=2, table="items")
    with pytest.raises(sa.exc.OperationalError) as lost:
        transaction(sessions.begin, add, retry_on_conflict=True, max_retries=1)
    assert lost.value.__notes__ == ["the transaction was run 2 times"]
    failure = failure_of(lost.value)
    assert (type(failure), failure.sqlstate, failure.retryable) == (
        errors.SerializationFailure,
        "40001",
        True,
    )
    with pytest.raises(sa.exc.OperationalError):
        db.simulate_conflict(table="items")
        transaction(sessions.begin, add)
    with engine.connect() as connection:
        assert connection.scalar(N) == 101


def test_other_errors_are_those_of_sqlalchemy(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.IntegrityError) as twice:
        transaction(engine.begin, lambda connection: connection.execute(sa.insert(Item).values(id=1, n=1)))
    assert isinstance(failure_of(twice.value), errors.UniqueConstraintViolation)


def test_an_error_quotes_no_values(db: DistributedDatabase, engine: sa.Engine) -> None:
    """An uncaught error ends in a function's log."""
    for chosen, told in ((engine, False), (db.sqlalchemy_engine(hide_parameters=False), True)):
        with pytest.raises(sa.exc.IntegrityError) as twice, chosen.begin() as connection:
            connection.execute(sa.insert(Item).values(id=1, n=424242))
        assert ("424242" in str(twice.value)) is told
        chosen.dispose()


def test_a_commit_that_dsql_would_roll_back_is_an_error(engine: sa.Engine) -> None:
    """psycopg and SQLAlchemy take the answer ROLLBACK for a commit."""

    def swallow(connection: sa.Connection) -> None:
        connection.execute(sa.update(Item).values(n=1))
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.insert(Item).values(id=1, n=1))

    with pytest.raises(errors.TransactionAborted, match="had failed"):
        transaction(engine.begin, swallow)
    with engine.begin() as connection:
        assert connection.scalar(N) == 100


def test_a_connection_lost_while_idle_is_replaced(engine: sa.Engine) -> None:
    seen = connects(engine)
    driver = lent(engine)
    with socket.socket(fileno=driver.fileno()) as wire:
        wire.shutdown(socket.SHUT_RDWR)
        wire.detach()
    with engine.begin() as connection:
        assert connection.scalar(N) == 100
    assert len(seen) == 2


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_connection_is_replaced_in_time_and_after_a_freeze(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """An hour passes on either clock: while running, or while the sandbox is frozen."""
    seen = connects(engine)
    lent(engine)
    clock = "monotonic" if seconds > 0 else "time"
    right = getattr(time, clock)
    monkeypatch.setattr(f"blocks_runtime.database.sqlalchemy_engines.time.{clock}", lambda: right() + 3600)
    lent(engine)
    assert len(seen) == 2


@pytest.mark.parametrize("answers", [True, False])
def test_an_idle_connection_is_pinged(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    asked: list[object] = []
    ping = engine.dialect.do_ping

    def watched(connection: DBAPIConnection) -> bool:
        asked.append(connection)
        if not answers and len(asked) == 1:
            raise psycopg.OperationalError("timeout")
        return ping(connection)

    seen = connects(engine)
    lent(engine)
    monkeypatch.setattr("blocks_runtime.database.sqlalchemy_engines.IDLE", -1.0)
    monkeypatch.setattr(engine.dialect, "do_ping", watched)
    with engine.begin() as connection:
        assert connection.scalar(N) == 100
    assert asked
    assert len(seen) == (1 if answers else 2)


def test_a_lost_reply_to_commit_is_unknown_and_never_retried(
    db: DistributedDatabase, engine: sa.Engine
) -> None:
    runs: list[int] = []

    def cut(session: orm.Session) -> None:
        runs.append(1)
        session.get_one(Item, 1).n = 5
        session.flush()
        driver = session.connection().connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with socket.socket(fileno=driver.fileno()) as wire:
            wire.shutdown(socket.SHUT_RDWR)
            wire.detach()

    with pytest.raises(errors.CommitOutcomeUnknown, match="read the data"):
        transaction(orm.sessionmaker(engine).begin, cut, retry_on_conflict=True)
    assert len(runs) == 1


def cut(connection: sa.Connection) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    with socket.socket(fileno=driver.fileno()) as wire:
        wire.shutdown(socket.SHUT_RDWR)
        wire.detach()


def by_connection(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.update(Item).values(n=5))
        cut(connection)
        connection.commit()


def by_begin_of_an_engine(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(Item).values(n=5))
        cut(connection)


def by_session(engine: sa.Engine) -> None:
    with orm.Session(engine) as session:
        session.get_one(Item, 1).n = 5
        session.flush()
        cut(session.connection())
        session.commit()


def by_begin_of_a_session(engine: sa.Engine) -> None:
    with orm.sessionmaker(engine).begin() as session:
        session.get_one(Item, 1).n = 5
        session.flush()
        cut(session.connection())


def by_autocommit(engine: sa.Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(N)
        cut(connection)
        connection.execute(sa.update(Item).values(n=5))


@pytest.mark.parametrize(
    "commit", [by_connection, by_begin_of_an_engine, by_session, by_begin_of_a_session, by_autocommit]
)
def test_a_lost_reply_is_unknown_however_it_is_committed(
    engine: sa.Engine, commit: Callable[[sa.Engine], None]
) -> None:
    with pytest.raises(errors.CommitOutcomeUnknown) as raised:
        commit(engine)
    failure = failure_of(raised.value)
    assert failure is raised.value
    assert (failure.commit_unknown, failure.retryable) == (True, False)
    with engine.connect() as connection:  # its pool has no broken connection left
        assert connection.scalar(N) in (5, 100)


def test_a_connection_lost_before_commit_is_no_unknown_outcome(engine: sa.Engine) -> None:
    """A statement of a transaction, a read in autocommit mode, and a rollback after a commit."""
    with pytest.raises(sa.exc.OperationalError) as lost, engine.begin() as connection:
        cut(connection)
        connection.execute(sa.update(Item).values(n=5))
    failure = failure_of(lost.value)
    assert (type(failure), failure.retryable) == (errors.ConnectionFailed, True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(N)
        cut(connection)
        with pytest.raises(sa.exc.OperationalError):
            connection.execute(N)
    with engine.connect() as connection:
        connection.execute(sa.update(Item).values(n=7))
        connection.commit()
        connection.execute(N)
        cut(connection)
        with pytest.raises(sa.exc.OperationalError):
            connection.execute(N)


def test_foreign_keys_need_a_cluster_that_supports_them(engine: sa.Engine) -> None:
    """The dialect writes them; a portable cluster refuses, and says since when others do not."""
    with pytest.raises(sa.exc.NotSupportedError, match="2026-09"):
        Base.metadata.create_all(engine, tables=[Base.metadata.tables["parts"]], checkfirst=False)


def test_savepoints_and_server_side_cursors_are_refused(engine: sa.Engine) -> None:
    with orm.Session(engine) as session, pytest.raises(sa.exc.NotSupportedError, match="SAVEPOINT"):
        session.connection().begin_nested()
    with engine.connect() as connection, pytest.raises(sa.exc.NotSupportedError, match="DeclareCursor"):
        connection.execution_options(stream_results=True).execute(N)


def test_the_dialect_cannot_reflect_columns(engine: sa.Engine) -> None:
    """aurora-dsql-sqlalchemy 1.3.0 with SQLAlchemy from 2.0.45 on; docs/guides/sqlalchemy.md says so until it can."""
    inspector = sa.inspect(engine)
    assert "items" in inspector.get_table_names()
    with pytest.raises(sa.exc.NoSuchColumnError, match="collation"):
        inspector.get_columns("items")


def test_the_dialect_forgets_the_predicate_of_a_partial_index(engine: sa.Engine) -> None:
    index = sa.Index("few", Item.n, postgresql_where=Item.n > 5, auroradsql_include=["id"])
    written = str(sa.schema.CreateIndex(index).compile(dialect=engine.dialect))
    assert written == "CREATE INDEX ASYNC few ON items (n) INCLUDE (id)"
    Base.metadata.tables["items"].indexes.discard(index)


def test_asyncio(function: None) -> None:
    async def run() -> None:
        async with AsyncDistributedDatabase("main") as db:
            engine = db.sqlalchemy_engine()
            assert engine.dialect.name == "auroradsql"
            sessions = async_sessionmaker(engine)

            async def add(session: AsyncSession) -> int:
                item = await session.get_one(Item, 1)
                item.n += 1
                return item.n

            db.simulate_conflict(table="items")
            assert await async_transaction(sessions.begin, add, retry_on_conflict=True) == 101
            async with sessions() as session:
                assert await session.scalar(N) == 101
            async with engine.connect() as connection:
                raw = await connection.get_raw_connection()
                driver = raw.driver_connection
                assert isinstance(driver, psycopg.AsyncConnection)
            with socket.socket(fileno=driver.fileno()) as wire:
                wire.shutdown(socket.SHUT_RDWR)
                wire.detach()
            async with engine.connect() as connection:
                assert await connection.scalar(N) == 101
            await engine.dispose()

    asyncio.run(run())


def test_without_the_dialect(db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("blocks_runtime.database.sqlalchemy_engines"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aurora_dsql_sqlalchemy.psycopg", None)
    with pytest.raises(errors.ConfigurationError, match=r"pip install 'blocks-dsql\[sqlalchemy\]'"):
        db.sqlalchemy_engine()


def test_engines_import_no_boto3() -> None:
    code = "import sys, blocks_runtime.database.sqlalchemy_engines; print(*{'boto3', 'botocore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
