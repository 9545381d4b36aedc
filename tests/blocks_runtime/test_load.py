"""Bulk loading: what arrives is what was given, in transactions that DSQL takes, and may be run again."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import uuid
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.types.json import Json

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, Loaded, errors, loading, sql
from blocks_runtime.loading import Plan, chunks
from tests.relay import Direction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_runtime import Transaction
    from local_dsql import LocalCluster
    from tests.relay import Relay

COUNT = sql("SELECT count(*), count(DISTINCT id) FROM bulk")


@pytest.fixture(autouse=True)
def bulk(cluster: LocalCluster) -> Iterator[None]:
    """A table of every kind of column that DSQL has."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(
            "CREATE TABLE bulk (id int PRIMARY KEY, n numeric, f double precision, t text, v varchar(3), "
            "j json, b bytea, u uuid, at timestamptz, d date, y boolean, i interval, w text DEFAULT 'w')"
        )
        admin.execute("GRANT SELECT, INSERT, DELETE ON bulk TO app")
        yield
        admin.execute("DROP TABLE bulk")


@dataclass
class Full:
    id: int
    n: Decimal | None = Decimal("12345678901234567890.5")
    f: float = 0.1
    t: str | None = 'quote " backslash \\ newline \n tab \t {brace} $1 ü 🚀'
    v: str = "ab"
    j: object = None
    b: bytes = b"\x00\xff"
    u: uuid.UUID = uuid.UUID("00000000-0000-0000-0000-000000000007")  # noqa: RUF009 (immutable)
    at: dt.datetime = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, dt.UTC)
    d: dt.date = dt.date(2026, 12, 31)
    y: bool = True
    i: dt.timedelta = dt.timedelta(days=1, seconds=2)


GIVEN = [
    Full(1, j={"a": [1, None, "ü"]}),
    Full(2, n=None, t=None, j=[True]),
    Full(3, f=math.inf, t="", y=False, b=b""),
    Full(4, n=Decimal("-0.00"), f=-1e-300, t="NULL"),
    Full(2**31 - 1, f=-math.inf),
]


@pytest.mark.parametrize("shape", ["dataclasses", "dicts", "tuples"])
def test_what_arrives_is_what_was_given(db: DistributedDatabase, shape: str) -> None:
    columns = list(asdict(GIVEN[0]))
    rows: list[object] = {
        "dataclasses": GIVEN,
        "dicts": [vars(row) for row in GIVEN],
        "tuples": [tuple(vars(row).values()) for row in GIVEN],
    }[shape]  # type: ignore[assignment]
    loaded = db.load("bulk", rows, columns=columns if shape == "tuples" else None)
    assert (loaded.rows, loaded.inserted, loaded.chunks) == (5, 5, 1)
    found = db.query(sql("SELECT {all} FROM bulk ORDER BY id", all=_list(columns)), Full)
    assert found == GIVEN
    assert db.query(sql("SELECT DISTINCT w FROM bulk"), tuple) == [("w",)], "columns left out have defaults"


def _list(columns: list[str]) -> object:
    return sql.join(", ", [sql.identifier(column) for column in columns])


def test_nan_and_wrapped_json(db: DistributedDatabase) -> None:
    db.load("bulk", [{"id": 1, "f": math.nan, "j": Json("text")}])
    ((number, text),) = db.query(sql("SELECT f, j FROM bulk"), tuple)
    assert math.isnan(number)
    assert text == "text"


def numbered(last: int) -> Iterator[dict[str, object]]:
    return ({"id": number, "t": f"row {number}"} for number in range(last))


def test_many_rows_in_parallel_with_progress(db: DistributedDatabase) -> None:
    seen: list[Loaded] = []
    loaded = db.load("bulk", numbered(7001), parallel=3, progress=seen.append)
    assert (loaded.rows, loaded.inserted, loaded.chunks) == (7001, 7001, 3)
    assert [each.chunks for each in seen] == [1, 2, 3]
    assert seen[-1] == loaded
    assert loaded.bytes > 7001 * 20
    assert db.query_one(COUNT, tuple) == (7001, 7001)


def test_chunks_are_cut_by_rows_and_by_bytes() -> None:
    plan = Plan.of("bulk", None, None)
    by_rows = list(chunks(plan, numbered(6001)))
    assert [len(chunk.rows) for chunk in by_rows] == [3000, 3000, 1]
    by_bytes = list(chunks(plan, ({"id": n, "t": "ü" * 500_000} for n in range(9))))
    assert [len(chunk.rows) for chunk in by_bytes] == [4, 4, 1]
    assert all(chunk.bytes <= loading.BYTES for chunk in by_bytes)
    (alone, after) = chunks(plan, [{"id": 1, "t": "x" * 5_000_000}, {"id": 2, "t": ""}])
    assert (len(alone.rows), len(after.rows)) == (1, 1)
    (whole,) = chunks(plan, numbered(3))
    first, second = whole.halves()
    assert (len(first.rows), len(second.rows)) == (1, 2)
    assert f"{first.array},{second.array}" == whole.array


def test_a_chunk_that_dsql_finds_too_large_is_halved(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our measure is of what is sent; DSQL counts what is stored."""
    monkeypatch.setattr(loading, "ROWS", 4000)
    loaded = db.load("bulk", numbered(3500))
    assert (loaded.rows, loaded.chunks) == (3500, 2)
    assert db.query_one(COUNT, tuple) == (3500, 3500)


def test_an_interrupted_load_is_run_again(db: DistributedDatabase) -> None:
    def failing() -> Iterator[dict[str, object]]:
        yield from numbered(4000)
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="the file ends here") as caught:
        db.load("bulk", failing(), key="id", parallel=1)
    (note,) = caught.value.__notes__
    assert note.startswith("loaded before that: 3000 rows (3000 of them new) in 1 chunks; run it again")
    loaded = db.load("bulk", numbered(4500), key="id")
    assert (loaded.rows, loaded.inserted) == (4500, 1500)
    assert db.query_one(COUNT, tuple) == (4500, 4500)


@pytest.mark.parametrize("lose", Direction)
def test_with_a_key_a_lost_answer_is_no_harm(
    direct: DistributedDatabase, wire: Relay, lose: Direction
) -> None:
    with DistributedDatabase("main") as db:
        db.warm_up()
        wire.lose_next(lose)
        assert db.load("bulk", numbered(10), key="id").rows == 10
    assert direct.query_one(COUNT, tuple) == (10, 10)


def test_without_a_key_a_lost_answer_is_told(direct: DistributedDatabase, wire: Relay) -> None:
    with DistributedDatabase("main") as db:
        db.warm_up()
        wire.lose_next(Direction.ANSWER)
        with pytest.raises(errors.CommitOutcomeUnknown) as caught:
            db.load("bulk", numbered(10))
    assert "a load without key= cannot be run again as it is" in caught.value.__notes__[0]


def test_conflicts_are_retried(db: DistributedDatabase) -> None:
    db.simulate_conflict(times=3, table="bulk")
    assert db.load("bulk", numbered(10)).inserted == 10
    assert db.stats.conflicts == 3


def test_insert_many_is_all_or_none(db: DistributedDatabase) -> None:
    assert db.insert_many("bulk", numbered(3)) == 3
    assert db.insert_many("bulk", numbered(5), key=["id"]) == 2
    assert db.insert_many("bulk", []) == 0
    with pytest.raises(errors.UniqueConstraintViolation):
        db.insert_many("bulk", [{"id": 77}, {"id": 1}])
    with pytest.raises(ValueError, match=r"more than one transaction holds.*use load\(\)"):
        db.insert_many("bulk", numbered(3001))

    def two_tables(tx: Transaction) -> int:
        return tx.insert_many("bulk", [{"id": 50}]) + tx.insert_many("items", [{"id": 50, "n": 1}])

    assert db.transaction(two_tables) == 2
    assert db.query_one(COUNT, tuple) == (6, 6)


def test_names_are_quoted(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed) as caught:
        db.insert_many('bulk"; DROP TABLE bulk; --', [{"id": 1}])
    assert caught.value.sqlstate == "42P01"
    with pytest.raises(errors.QueryFailed) as caught:
        db.insert_many("bulk", [{'id") SELECT 1; --': 1}])
    assert caught.value.sqlstate == "42703"
    assert db.insert_many(sql.identifier("public", "bulk"), [{"id": 1}]) == 1


MISTAKES: dict[str, tuple[list[object], type[Exception], str]] = {
    "no names": ([(1,)], TypeError, r"pass columns=\[…\]"),
    "no row": ([{"id": 1}, 3], TypeError, "row 2 is a int; give dicts"),
    "missing": ([{"id": 1, "t": ""}, {"id": 2}], ValueError, "row 2 lacks t; all rows"),
    "extra": ([{"id": 1}, {"id": 2, "t": ""}], ValueError, "row 2 also has t; all rows"),
    "too long": ([{"id": 1, "v": "abcd"}], errors.QueryFailed, "value too long"),
    "no such type": ([{"id": object()}], psycopg.ProgrammingError, "cannot adapt"),
}


@pytest.mark.parametrize(("rows", "kind", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(db: DistributedDatabase, rows: list[object], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        db.load("bulk", rows)
    assert db.query_one(COUNT, tuple) == (0, 0)


def test_the_same_with_asyncio(function: None) -> None:
    async def run() -> None:
        async with AsyncDistributedDatabase("main") as db:
            seen: list[Loaded] = []
            loaded = await db.load("bulk", numbered(6001), key="id", progress=seen.append)
            assert (loaded.rows, loaded.inserted, len(seen)) == (6001, 6001, 3)
            assert (await db.load("bulk", numbered(6001), key="id")).inserted == 0
            assert await db.query_one(COUNT, tuple) == (6001, 6001)
            with pytest.raises(ValueError, match="row 1"):
                await db.load("bulk", [(1, 2)], columns=["id"])

    asyncio.run(run())
