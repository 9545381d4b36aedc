"""psycopg: synchronous, asynchronous, pipelines, COPY in both directions, prepared statements, types."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import itertools
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.rows import dict_row, namedtuple_row
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.rows import TupleRow

    from local_dsql import LocalCluster

    Connection = psycopg.Connection[TupleRow]


@pytest.fixture
def connection(dsql: LocalCluster, other: Connection) -> Iterator[Connection]:
    """A connection with psycopg's defaults: transactions begin implicitly."""
    with psycopg.connect(dsql.dsn()) as connection:
        yield connection


def balances(connection: Connection) -> list[TupleRow]:
    return connection.execute("SELECT id, balance FROM accounts ORDER BY id").fetchall()


def test_transaction_commits_or_rolls_back_as_a_whole(connection: Connection, other: Connection) -> None:
    with connection.transaction():
        connection.execute("INSERT INTO accounts (id, owner) VALUES (%s, %s)", (1, "one"))
        assert balances(other) == []
    with pytest.raises(ZeroDivisionError), connection.transaction():
        connection.execute("UPDATE accounts SET balance = 5")
        raise ZeroDivisionError
    assert balances(other) == [(1, decimal.Decimal("0.00"))]


def test_nested_block_needs_a_savepoint_and_is_refused(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported), connection.transaction():
        connection.execute("SELECT 1")
        with connection.transaction():
            pass
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_after_an_error_only_rollback_succeeds(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM nothing")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        connection.execute("SELECT 1")
    connection.rollback()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_loser_fails_at_commit_and_succeeds_on_retry(
    dsql: LocalCluster, connection: Connection, other: Connection
) -> None:
    other.execute("INSERT INTO accounts VALUES (1, 'one', 10)")
    connection.execute("UPDATE accounts SET balance = balance + 1 WHERE id = 1")
    other.execute("UPDATE accounts SET balance = balance + 2 WHERE id = 1")
    with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
        connection.commit()
    connection.execute("UPDATE accounts SET balance = balance + 1 WHERE id = 1")
    connection.commit()
    assert balances(other) == [(1, decimal.Decimal("13.00"))]
    assert [(each.code, each.rows) for each in dsql.conflicts()] == [("OC000", ("(1)",))]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_types_come_back_as_they_went(connection: Connection, binary: bool) -> None:
    values = (
        2**40, "ü\\'\"", decimal.Decimal("1.50"), dt.datetime(2026, 9, 17, 12, 30, tzinfo=dt.UTC), dt.date(2026, 9, 17),
        uuid.UUID(int=7), b"\x00\xff", True, None, 1.5, dt.timedelta(days=1, seconds=5), [1, 2, None],
    )  # fmt: skip
    query = (
        "SELECT %s::bigint, %s::text, %s::numeric, %s::timestamptz, %s::date, %s::uuid, %s::bytea, %s::bool,"
        " %s::text, %s::float8, %s::interval, %s::int[]"
    )
    assert connection.cursor(binary=binary).execute(query, values).fetchone() == values


def test_json_in_a_column(connection: Connection) -> None:
    connection.execute("INSERT INTO accounts VALUES (1, 'one', 0, now(), %s)", (Jsonb({"a": [1, None]}),))
    row = connection.execute("SELECT tags, tags -> 'a' -> 0 FROM accounts").fetchone()
    assert row == ({"a": [1, None]}, 1)


def test_row_factories_and_column_names(connection: Connection) -> None:
    cursor = connection.cursor(row_factory=dict_row)
    assert cursor.execute("SELECT 1 AS a, 'x' AS b").fetchall() == [{"a": 1, "b": "x"}]
    assert connection.cursor(row_factory=namedtuple_row).execute("SELECT 1 AS a").fetchone() == (1,)


def test_executemany_with_returning(connection: Connection) -> None:
    cursor = connection.cursor()
    rows = [(number, str(number)) for number in range(3)]
    cursor.executemany("INSERT INTO accounts (id, owner) VALUES (%s, %s) RETURNING id", rows, returning=True)
    ids = [cursor.fetchone()]
    while cursor.nextset():
        ids.append(cursor.fetchone())
    assert ids == [(0,), (1,), (2,)]


def test_streaming_and_an_abandoned_stream(connection: Connection) -> None:
    cursor = connection.cursor()
    query = "SELECT n, repeat('x', 1000) FROM generate_series(1, 10000) n"
    assert sum(row[0] for row in cursor.stream(query)) == 50_005_000
    assert [row[0] for row in itertools.islice(cursor.stream(query, size=10), 5)] == [1, 2, 3, 4, 5]
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_server_side_cursor_is_refused(connection: Connection) -> None:
    with connection.cursor("named") as cursor, pytest.raises(psycopg.Error, match="DeclareCursor") as refusal:
        cursor.execute("SELECT 1")
    assert refusal.value.sqlstate == "0A000"


# prepared statements


def test_prepared_statements_outlive_transactions(connection: Connection, other: Connection) -> None:
    for number in range(12):  # psycopg prepares a statement the fifth time it sees it
        connection.execute("INSERT INTO accounts (id, owner) VALUES (%s, %s)", (number, "x"))
        if number % 3 == 2:
            connection.rollback()
        else:
            connection.commit()
    assert [row[0] for row in balances(other)] == [0, 1, 3, 4, 6, 7, 9, 10]


def test_prepared_statements_are_dropped_by_message(connection: Connection) -> None:
    """psycopg limits the number of prepared statements and closes the oldest; DSQL refuses DEALLOCATE for that."""
    connection.prepared_max = 2
    for number in range(6):
        query = f"SELECT %s + {number}".encode()
        assert connection.execute(query, (1,), prepare=True).fetchone() == (1 + number,)
    connection.commit()
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        connection.execute("DEALLOCATE something")


def test_prepared_statement_meets_a_changed_table(connection: Connection, other: Connection) -> None:
    connection.autocommit = True
    other.execute("INSERT INTO accounts VALUES (1, 'one')")
    for _ in range(7):
        assert connection.execute("SELECT owner FROM accounts WHERE id = %s", (1,)).fetchone() == ("one",)
    other.execute("ALTER TABLE accounts ADD COLUMN closed timestamptz")
    assert connection.execute("SELECT owner FROM accounts WHERE id = %s", (1,)).fetchone() == ("one",)


def test_conflict_of_a_prepared_statement(connection: Connection, other: Connection) -> None:
    other.execute("INSERT INTO accounts VALUES (1, 'one', 10)")
    update = "UPDATE accounts SET balance = balance + %s WHERE id = %s RETURNING balance"
    for _ in range(3):
        connection.execute(update, (1, 1), prepare=True)
        other.execute(update, (2, 1), prepare=True)
        assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (1,)
        with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
            connection.commit()
    assert balances(other) == [(1, decimal.Decimal("16.00"))]


# pipelines


def test_pipeline_in_a_transaction(connection: Connection, other: Connection) -> None:
    with connection.pipeline() as pipeline, connection.transaction():
        cursors = [
            connection.execute("INSERT INTO accounts (id, owner) VALUES (%s, 'p') RETURNING id", (number,))
            for number in range(100)
        ]
        pipeline.sync()
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(100)]
        assert balances(other) == []
    assert len(balances(other)) == 100


def test_pipeline_that_loses(connection: Connection, other: Connection) -> None:
    other.execute("INSERT INTO accounts VALUES (1, 'one', 10)")
    connection.execute("SELECT 1")
    with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"), connection.pipeline():
        connection.execute("UPDATE accounts SET balance = 1")
        connection.execute("UPDATE accounts SET balance = 2")
        other.execute("UPDATE accounts SET balance = 3")
        connection.commit()
    assert balances(other) == [(1, decimal.Decimal("3.00"))]


# COPY


@pytest.mark.parametrize("form", ["text", "csv", "binary"])
def test_copy_in_and_out(connection: Connection, other: Connection, form: str) -> None:
    cursor = connection.cursor()
    with cursor.copy(f"COPY accounts (id, owner) FROM STDIN (FORMAT {form})".encode()) as copy:
        if form == "csv":
            copy.write('1,"a, ""b"""\n2,ü\n')
        else:
            copy.set_types(["int4", "text"])
            copy.write_row((1, 'a, "b"'))
            copy.write_row((2, "ü"))
    assert cursor.rowcount == 2
    assert balances(other) == []
    connection.commit()
    assert len(balances(other)) == 2
    with cursor.copy(
        f"COPY (SELECT id, owner FROM accounts ORDER BY id) TO STDOUT (FORMAT {form})".encode()
    ) as copy:
        if form == "csv":
            assert b"".join(copy) == '1,"a, ""b"""\n2,ü\n'.encode()
        else:
            copy.set_types(["int4", "text"])
            assert list(copy.rows()) == [(1, 'a, "b"'), (2, "ü")]


def test_copy_that_conflicts(connection: Connection, other: Connection) -> None:
    with connection.cursor().copy("COPY accounts (id, owner) FROM STDIN") as copy:
        copy.write_row((1, "here"))
    other.execute("INSERT INTO accounts (id, owner) VALUES (1, 'there')")
    with pytest.raises(psycopg.errors.SerializationFailure, match="OC000"):
        connection.commit()
    assert other.execute("SELECT owner FROM accounts").fetchall() == [("there",)]


def test_copy_that_the_client_aborts(connection: Connection, other: Connection) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        connection.cursor().copy("COPY accounts (id, owner) FROM STDIN") as copy,
    ):
        copy.write_row((1, "x"))
        raise ZeroDivisionError
    connection.rollback()
    assert balances(other) == []


# asynchronous


def test_competing_tasks_all_succeed_with_retries(dsql: LocalCluster, other: Connection) -> None:
    other.execute("INSERT INTO accounts VALUES (1, 'one', 0)")

    async def add(connection: psycopg.AsyncConnection[TupleRow]) -> int:
        for attempt in itertools.count():
            try:
                async with connection.transaction():
                    cursor = await connection.execute("SELECT balance FROM accounts WHERE id = 1")
                    row = await cursor.fetchone()
                    assert row is not None
                    await connection.execute("UPDATE accounts SET balance = %s WHERE id = 1", (row[0] + 1,))
                return attempt
            except psycopg.errors.SerializationFailure:
                await asyncio.sleep(0.001)
        raise AssertionError

    async def client(region: str) -> int:
        async with await psycopg.AsyncConnection.connect(dsql.dsn(region)) as connection:
            return sum([await add(connection) for _ in range(5)])

    async def main() -> int:
        return sum(await asyncio.gather(*(client(region) for region in (*dsql.regions, *dsql.regions))))

    conflicts = asyncio.run(main())
    assert balances(other) == [(1, decimal.Decimal("20.00"))]
    assert len(dsql.conflicts()) == conflicts > 0


def test_asynchronous_pipeline_and_copy(dsql: LocalCluster, other: Connection) -> None:
    async def main() -> list[TupleRow]:
        async with await psycopg.AsyncConnection.connect(dsql.dsn()) as connection:
            async with connection.pipeline():
                for number in range(10):
                    await connection.execute("INSERT INTO accounts (id, owner) VALUES (%s, 'x')", (number,))
            async with connection.cursor().copy("COPY accounts (id, owner) FROM STDIN") as copy:
                for number in range(10, 20):
                    await copy.write_row((number, "y"))
            await connection.commit()
            async with connection.cursor().copy("COPY accounts (id) TO STDOUT") as copy:
                return [row async for row in copy.rows()]

    assert len(asyncio.run(main())) == len(balances(other)) == 20


def test_cancelled_task_leaves_nothing_behind(dsql: LocalCluster, other: Connection) -> None:
    async def main() -> None:
        connection = await psycopg.AsyncConnection.connect(dsql.dsn())
        await connection.execute("INSERT INTO accounts (id, owner) VALUES (1, 'x')")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await connection.execute("SELECT count(*) FROM generate_series(1, 1000000)")
        await connection.close()

    asyncio.run(main())
    assert balances(other) == []
