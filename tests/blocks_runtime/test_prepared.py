"""Statements are prepared, and values converted, by what the connection is at the time."""

from __future__ import annotations

import asyncio
import enum
import gc
import weakref
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import psycopg
import pytest

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, Sql, errors, sql
from blocks_runtime.database import prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_runtime import Transaction
    from local_dsql import LocalCluster

ONE = sql("SELECT n FROM items WHERE id = 1")
NAMES = sql("SELECT name, statement FROM pg_prepared_statements")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIME = sql("SELECT timestamptz '2026-01-01 12:00+00' AS t")


@pytest.fixture
def connected(function: None) -> Iterator[DistributedDatabase]:
    """A database with one connection."""
    with DistributedDatabase("main", max_connections=1) as db:
        yield db


def _prepared(db: DistributedDatabase, text: str) -> int:
    return sum(row["statement"] == text for row in db.query(NAMES))


def test_a_statement_is_prepared_at_its_sixth_execution(connected: DistributedDatabase) -> None:
    for number in range(8):
        assert _prepared(connected, ONE.text) == (number > 5)
        assert connected.query_one(ONE) == {"n": 100}


def test_each_type_of_a_value_is_a_statement_of_its_own(connected: DistributedDatabase) -> None:
    text = "SELECT pg_typeof($1)::text"
    for value, kind in ((1, "smallint"), (70_000, "integer"), (1.5, "double precision")) * 8:
        assert connected.query_value(Sql(("SELECT pg_typeof(", ")::text"), (value,))) == kind
    assert _prepared(connected, text) == 3


def test_the_number_of_prepared_statements_is_limited(connected: DistributedDatabase) -> None:
    for number in range(prepared.KEPT + 5):
        for _ in range(6):
            connected.query(Sql((f"SELECT {number}",)))
    known = connected.query(NAMES)
    assert len(known) <= prepared.KEPT
    assert "SELECT 0" not in {row["statement"] for row in known}
    assert connected.stats.connects == 1


def test_statements_that_run_less_often_than_many_others_are_not_counted_for_ever() -> None:
    statements = prepared.PreparedStatements()
    for number in range(10 * prepared.KEPT):
        assert not statements.due((f"SELECT {number}", ()))
    assert len(statements._executions) == prepared.KEPT


CHANGES = {
    "DEALLOCATE ALL": ("DEALLOCATE ALL",),
    "ALTER TABLE": ("ALTER TABLE own.growing ADD COLUMN more int",),
    "DROP TABLE": ("DROP TABLE own.growing", "CREATE TABLE own.growing (id text)"),
}


@pytest.fixture
def schema_of_the_app(cluster: LocalCluster) -> Iterator[None]:
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("CREATE SCHEMA own")
        admin.execute("GRANT USAGE, CREATE ON SCHEMA own TO app")
        yield
        admin.execute("DROP SCHEMA own CASCADE")


@pytest.mark.usefixtures("schema_of_the_app")
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_prepared_statements_are_forgotten_after_a_change_of_what_they_refer_to(
    connected: DistributedDatabase, changes: tuple[str, ...]
) -> None:
    connected.execute(sql("CREATE TABLE own.growing (id int)"))
    star = sql("SELECT * FROM own.growing")
    for _ in range(8):
        connected.query(star)
    for change in changes:
        connected.execute(Sql((change,)))
    assert [connected.query(star) for _ in range(8)] == [[]] * 8
    assert _prepared(connected, star.text) == 1
    assert (connected.stats.retries, connected.stats.connects) == (0, 1)


@pytest.mark.usefixtures("schema_of_the_app")
def test_and_in_the_transaction_of_the_change(connected: DistributedDatabase) -> None:
    connected.execute(sql("CREATE TABLE own.growing (id int)"))
    star = sql("SELECT * FROM own.growing")
    for _ in range(8):
        connected.query(star)

    def work(tx: Transaction) -> list[dict[str, object]]:
        tx.execute(sql("ALTER TABLE own.growing ADD COLUMN more int"))
        return tx.query(star)

    assert connected.transaction(work) == []


def _zone(value: object) -> object:
    assert isinstance(value, datetime)
    assert value == NOON
    return value.utcoffset()


def test_times_have_the_time_zone_that_is_set_now(connected: DistributedDatabase) -> None:
    tokyo, summer = timedelta(hours=9), timedelta(hours=1)

    def work(tx: Transaction) -> list[object]:
        found = [_zone(tx.query_value(TIME))]
        for zone in ("Asia/Tokyo", "Europe/Paris"):
            tx.execute(Sql((f"SET LOCAL TIME ZONE '{zone}'",)))
            found += [_zone(tx.query_value(TIME)), *[_zone(row["t"]) for row in tx.stream(TIME)]]
        return found

    for _ in range(3):
        assert connected.transaction(work) == [timedelta(0), tokyo, tokyo, summer, summer]
        assert _zone(connected.query_value(TIME)) == timedelta(0)
    assert connected.stats.connects == 1
    assert NOON.astimezone(ZoneInfo("Asia/Tokyo")).utcoffset() == tokyo


def test_and_with_tasks(function: None) -> None:
    async def scene() -> list[object]:
        async with AsyncDistributedDatabase("main", max_connections=1) as db, db.transaction() as tx:
            before = await tx.query_value(TIME)
            await tx.execute(sql("SET LOCAL TIME ZONE 'Asia/Tokyo'"))
            return [_zone(before), *[_zone(await tx.query_value(TIME)) for _ in range(8)]]

    assert asyncio.run(scene()) == [timedelta(0)] + [timedelta(hours=9)] * 8


def test_texts_have_the_encoding_that_is_set_now(connected: DistributedDatabase) -> None:
    text = sql("SELECT {word}::text AS größe, length({word}::text) AS n", word="Ärger")

    def work(tx: Transaction) -> list[object]:
        found: list[object] = [tx.query_one(text)]
        tx.execute(sql("SET LOCAL client_encoding = 'LATIN1'"))
        return [*found, *[tx.query_one(text) for _ in range(8)]]

    assert connected.transaction(work) == [{"größe": "Ärger", "n": 5}] * 9
    assert connected.query_one(text) == {"größe": "Ärger", "n": 5}


SETTINGS = {
    "DateStyle": ("SQL, MDY", "SQL, DMY", "date '2026-02-01'", date(2026, 2, 1)),
    "TimeZone": ("Asia/Tokyo", "UTC", "timestamptz '2026-01-01 12:00+00'", NOON),
    "client_encoding": ("LATIN1", "UTF8", "'Ärger'::text", "Ärger"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_values_are_read_by_what_their_own_statement_has_set(
    connected: DistributedDatabase, name: str
) -> None:
    before, after, expression, value = SETTINGS[name]

    def work(tx: Transaction) -> list[object]:
        tx.execute(Sql((f"SET LOCAL {name} = '{before}'",)))
        first = tx.query_value(Sql((f"SELECT {expression}",)))
        row = tx.query_one(Sql((f"SELECT set_config('{name}', '{after}', true), {expression} AS value",)))
        return [first, row and row["value"]]

    assert connected.transaction(work) == [value, value]


@pytest.mark.usefixtures("schema_of_the_app")
def test_obsolete_statements_are_closed_a_few_at_a_time(connected: DistributedDatabase) -> None:
    """All at once, they would use up the deadline of the statement that is prepared next."""
    connected.execute(sql("CREATE TABLE own.growing (id int)"))
    for number in range(20):
        for _ in range(6):
            connected.query(Sql((f"SELECT {number}",)))
    connected.execute(sql("ALTER TABLE own.growing ADD COLUMN more int"))
    left = [len(connected.query(NAMES))]
    for number in range(30, 45):
        for _ in range(6):
            connected.query(Sql((f"SELECT {number}",)))
        left.append(len(connected.query(NAMES)))
    assert all(earlier - later <= prepared.CLOSED for earlier, later in pairwise(left))
    assert left[-1] < left[0]


def test_the_classes_of_values_are_forgotten(connected: DistributedDatabase) -> None:
    classes = []
    for _ in range(2000):
        kind = enum.Enum("kind", {"A": 1})
        classes.append(weakref.ref(kind))
        connected.query_value(sql("SELECT {value}::text", value=kind["A"]))
    del kind
    gc.collect()
    assert sum(each() is not None for each in classes) < 1500


def test_a_statement_of_a_transaction_begins_without_the_last_result(connected: DistributedDatabase) -> None:
    counts: list[int] = []

    def work(tx: Transaction) -> None:
        tx.query(sql("SELECT repeat('x', 1000)"))
        cursor = tx._session._cursor
        counts.append(cursor.count)
        try:
            tx.query(sql("SELECT nothing"))
        finally:
            counts.append(cursor.count)

    with pytest.raises(errors.QueryFailed):
        connected.transaction(work)
    assert counts == [1, 0]


def test_a_text_with_a_nul_is_refused() -> None:
    """The protocol would end the statement there: a DELETE without its WHERE."""
    with pytest.raises(ValueError, match="NUL"):
        sql("DELETE FROM items \0 WHERE false")
