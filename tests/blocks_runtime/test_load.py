"""Bulk load: all values arrive, in transactions within DSQL's limits, and a load may be run again."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import math
import re
import threading
import uuid
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.types.json import Json

from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, Loaded, errors, sql
from blocks_runtime.database import loading
from blocks_runtime.database.loading import PORTION, Cutter, write
from blocks_runtime.database.row_formats import CopyFormat, InsertFormat, RowFormat
from blocks_runtime.database.session import Session
from local_dsql import LocalCluster
from tests.blocks_runtime.conftest import with_role
from tests.support.relay import Direction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from blocks_runtime import Transaction
    from blocks_runtime.database.fragments import Sql
    from blocks_runtime.database.loading import Chunk
    from tests.support.relay import Relay

COUNT = sql("SELECT count(*), count(DISTINCT id) FROM bulk")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster that has jsonb."""
    with with_role(LocalCluster(tmp_path_factory.mktemp("load"), dialect="2026-09")) as started:
        yield started


@pytest.fixture(autouse=True)
def bulk(cluster: LocalCluster) -> Iterator[None]:
    """A table of every kind of column that DSQL has."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(
            "CREATE TABLE bulk (id int PRIMARY KEY, n numeric, f double precision, t text, v varchar(3), "
            "j json, b bytea, u uuid, at timestamptz, d date, y boolean, i interval, w text DEFAULT 'w')"
        )
        admin.execute("CREATE TABLE binary_json (id int PRIMARY KEY, j jsonb)")
        admin.execute("CREATE VIEW bulk_view AS SELECT * FROM bulk")
        for name in ("bulk", "binary_json", "bulk_view"):
            admin.execute(f"GRANT SELECT, INSERT, DELETE ON {name} TO app".encode())
        yield
        admin.execute("DROP VIEW bulk_view")
        admin.execute("DROP TABLE bulk")
        admin.execute("DROP TABLE binary_json")


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


@pytest.mark.parametrize("key", [None, "id"], ids=["copy", "insert"])
@pytest.mark.parametrize("shape", ["dataclasses", "dicts", "tuples"])
def test_loaded_values_are_the_given_ones(db: DistributedDatabase, shape: str, key: str | None) -> None:
    columns = list(asdict(GIVEN[0]))
    rows: list[object] = {
        "dataclasses": GIVEN,
        "dicts": [vars(row) for row in GIVEN],
        "tuples": [tuple(vars(row).values()) for row in GIVEN],
    }[shape]  # type: ignore[assignment]
    loaded = db.load("bulk", rows, columns=columns if shape == "tuples" else None, key=key)
    assert (loaded.rows, loaded.inserted, loaded.chunks) == (5, 5, 1)
    found = db.query(sql("SELECT {all} FROM bulk ORDER BY id", all=_list(columns)), Full)
    assert found == GIVEN
    assert db.query(sql("SELECT DISTINCT w FROM bulk"), tuple) == [("w",)], "columns left out have defaults"


def _list(columns: list[str]) -> object:
    return sql.join(", ", [sql.identifier(column) for column in columns])


def test_nan(db: DistributedDatabase) -> None:
    db.load("bulk", [{"id": 1, "f": math.nan}])
    db.load("bulk", [{"id": 2, "f": math.nan}], key="id")
    assert all(math.isnan(number) for (number,) in db.query(sql("SELECT f FROM bulk"), tuple))


JSON: dict[str, tuple[object, object]] = {
    "dict": ({"a": [1, dt.date(2026, 1, 2)]}, {"a": [1, "2026-01-02"]}),
    "list": ([], []),
    "tuple": ((1, 2), [1, 2]),
    "a text of JSON": ('{"a": [1, "\\u00fc\\n\\t"]}', {"a": [1, "ü\n\t"]}),
    "a text of a scalar": ("12", 12),
    "number": (1.5, 1.5),
    "truth": (True, True),
    "wrapped": (Json("text"), "text"),
    "nothing": (None, None),
    "JSON's null": (Json(None), None),
}


@pytest.mark.parametrize("key", [None, "id"], ids=["copy", "insert"])
@pytest.mark.parametrize(("given", "arrives"), JSON.values(), ids=JSON)
def test_json(db: DistributedDatabase, given: object, arrives: object, key: str | None) -> None:
    """As with psycopg, a string is JSON already, and does not become a JSON string."""
    for table in ("bulk", "binary_json"):
        db.load(table, [{"id": 1, "j": given}], key=key)
        assert db.query(sql("SELECT j, j IS NULL FROM {t:i}", t=table), tuple) == [(arrives, given is None)]


def test_column_types_are_read_once(db: DistributedDatabase, cluster: LocalCluster) -> None:
    assert db.insert_many("bulk", [{"id": 1, "t": "["}]) == 1
    before = db.stats.statements
    assert db.insert_many("bulk", [{"id": 2, "j": "[2]"}]) == 1
    assert db.stats.statements == before + 1
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("ALTER TABLE bulk ADD COLUMN later json")
    assert db.insert_many("bulk", [{"id": 3, "later": "[3]"}]) == 1
    assert db.query(sql("SELECT t, j, later FROM bulk ORDER BY id"), tuple) == [
        ("[", None, None),
        (None, [2], None),
        (None, None, [3]),
    ]


def test_columns_that_copy_cannot_fill_are_inserted(db: DistributedDatabase) -> None:
    loaded = db.load("bulk_view", numbered(7001))
    assert (loaded.rows, loaded.inserted, loaded.chunks) == (7001, 7001, 3)
    assert db.query_one(COUNT, tuple) == (7001, 7001)


def test_identity_columns_are_not_overridden(db: DistributedDatabase, cluster: LocalCluster) -> None:
    """COPY takes what INSERT refuses, and the sequence would give the same number again."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(
            "CREATE TABLE numbered (id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY, t text)"
        )
        admin.execute("GRANT SELECT, INSERT ON numbered TO app")
    with pytest.raises(errors.QueryFailed, match="non-DEFAULT") as caught:
        db.load("numbered", [{"id": 1, "t": "a"}])
    assert caught.value.sqlstate == "428C9"
    assert db.load("numbered", [{"t": "a"}, {"t": "b"}]).rows == 2
    assert db.query(sql("SELECT t FROM numbered ORDER BY id"), tuple) == [("a",), ("b",)]


def test_a_server_that_refuses_copy_gets_inserts(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS documents COPY (user guide, "loading data"), but no recording shows it: a refusal must do no harm."""
    refused = []

    def copy(session: Session, statement: Sql, body: bytes, until: float | None) -> int:
        refused.append(statement.text)
        raise errors.FeatureNotSupported("unsupported statement: Copy", sqlstate="0A000")

    monkeypatch.setattr(Session, "copy", copy)
    loaded = db.load("bulk", numbered(20_001))
    assert (loaded.rows, loaded.inserted, loaded.chunks) == (20_001, 20_001, 7)
    assert db.query_one(COUNT, tuple) == (20_001, 20_001)
    assert set(refused) == {'COPY "bulk" ("id", "t") FROM STDIN'}
    assert len(refused) <= 5, "the chunks that were under way, and no more"


def numbered(last: int) -> Iterator[dict[str, object]]:
    return ({"id": number, "t": f"row {number}"} for number in range(last))


def test_many_rows_in_parallel_with_progress(db: DistributedDatabase) -> None:
    seen: list[Loaded] = []
    loaded = db.load("bulk", numbered(7001), parallel=3, progress=seen.append)
    assert (loaded.rows, loaded.inserted, loaded.chunks) == (7001, 7001, 3)
    assert [each.chunks for each in seen] == [1, 2, 3]
    assert seen[-1] == loaded
    assert loaded.bytes == sum(len(f"{row['id']}\t{row['t']}\n") for row in numbered(7001))
    assert db.query_one(COUNT, tuple) == (7001, 7001)


def test_no_more_chunks_at_a_time_than_connections(function: None) -> None:
    """A chunk that waits for a connection is in memory for nothing."""
    seen: set[str] = set()

    def note(_: Loaded) -> None:
        seen.update(each.name for each in threading.enumerate() if each.name.startswith("blocks-"))

    with DistributedDatabase("main", max_connections=2) as db:
        assert db.load("bulk", numbered(9001), parallel=50, progress=note).rows == 9001
    assert seen <= {"blocks-0", "blocks-1"}


TABLE, COLUMNS = sql.identifier("bulk"), ("id", "t")
FORMATS: dict[str, RowFormat] = {
    "copy": CopyFormat(TABLE, COLUMNS),
    "insert": InsertFormat(TABLE, COLUMNS, None, {}),
}


def cut(format: RowFormat, rows: Iterable[dict[str, object]]) -> list[Chunk]:
    cutter, source = Cutter(COLUMNS, format), iter(rows)
    portions = iter(lambda: list(itertools.islice(source, PORTION)), [])
    return [chunk for portion in portions for chunk in cutter.add(portion)] + list(cutter.rest())


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_chunks_are_limited_by_rows_and_bytes(format: RowFormat) -> None:
    by_rows = cut(format, numbered(6001))
    assert [len(chunk.rows) for chunk in by_rows] == [3000, 3000, 1]
    by_bytes = cut(format, ({"id": n, "t": "ü" * 500_000} for n in range(9)))
    assert [len(chunk.rows) for chunk in by_bytes] == [4, 4, 1]
    assert all(chunk.bytes <= loading.BYTES for chunk in by_bytes)
    (alone, after) = cut(format, [{"id": 1, "t": "x" * 5_000_000}, {"id": 2, "t": ""}])
    assert (len(alone.rows), len(after.rows)) == (1, 1)
    (whole,) = cut(format, numbered(3))
    first, second = whole.halves()
    assert (len(first.rows), len(second.rows)) == (1, 2)
    assert format.separator.join([first.body, second.body]) == whole.body


def test_a_change_of_format_keeps_all_rows() -> None:
    cutter = Cutter(COLUMNS, FORMATS["copy"])
    assert not list(cutter.add([*numbered(3)]))
    cutter.change(FORMATS["insert"])
    assert not list(cutter.add([{"id": 3, "t": "row 3"}]))
    assert list(cutter.rest()) == [write(FORMATS["insert"], [(n, f"row {n}") for n in range(4)])]


def test_a_chunk_that_dsql_refuses_as_too_large_is_halved(
    db: DistributedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our measure is of what is sent; DSQL counts what is stored."""
    monkeypatch.setattr(loading, "ROWS", 4000)
    loaded = db.load("bulk", numbered(3500))
    assert (loaded.rows, loaded.chunks) == (3500, 2)
    assert db.query_one(COUNT, tuple) == (3500, 3500)


def test_an_interrupted_load_can_be_run_again(db: DistributedDatabase) -> None:
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
def test_with_a_key_a_lost_reply_is_retried(
    direct: DistributedDatabase, wire: Relay, lose: Direction
) -> None:
    with DistributedDatabase("main") as db:
        db.load("bulk", [{"id": -1, "t": ""}])  # knows from here on what the table is like
        wire.lose_next(lose)
        assert db.load("bulk", numbered(10), key="id").rows == 10
    assert direct.query_one(COUNT, tuple) == (11, 11)


def test_without_a_key_a_lost_reply_is_raised(direct: DistributedDatabase, wire: Relay) -> None:
    with DistributedDatabase("main") as db:
        db.load("bulk", [{"id": -1, "t": ""}])
        wire.lose_next(Direction.ANSWER)
        with pytest.raises(errors.CommitOutcomeUnknown) as caught:
            db.load("bulk", numbered(10))
    assert "a load without key= cannot be run again as it is" in caught.value.__notes__[0]
    assert direct.query_one(COUNT, tuple) in [(1, 1), (11, 11)]


def test_the_note_of_a_load_without_rows(db: DistributedDatabase) -> None:
    """A slip in the first row is no reason to look through the table."""
    for rows in ([(1, "a")], [{"id": 1, "t": "a"}, {"id": 2}], [{"id": 1, "t": "a"}, {"id": 1, "t": "b"}]):
        with pytest.raises((TypeError, ValueError, errors.UniqueConstraintViolation)) as caught:
            db.load("bulk", rows)
        assert caught.value.__notes__[0].endswith("; nothing was inserted, so it can be run again")
    assert db.query_one(COUNT, tuple) == (0, 0)


@pytest.mark.parametrize("lose", Direction)
def test_a_load_cut_at_any_message_reports_the_loaded_rows(
    direct: DistributedDatabase, wire: Relay, lose: Direction
) -> None:
    unknown = 0
    for number in itertools.count(1):
        direct.execute(sql("DELETE FROM bulk WHERE id < 3000"))
        direct.execute(sql("DELETE FROM bulk"))
        told, error = 0, None
        with DistributedDatabase("main", max_connections=1) as db:
            wire.lose_next(lose, number)
            try:
                told = db.load("bulk", numbered(3500), parallel=1).rows
            except errors.DatabaseError as caught:
                error = caught
                told = int(re.findall(r"(\d+) rows", caught.__notes__[0])[0])
            assert db.stats.open == db.stats.idle <= 1, "a connection leaked"
        found, _ = direct.query_one(COUNT, tuple) or (0, 0)
        may_be = {told, min(told + 3000, 3500)} if getattr(error, "commit_unknown", False) else {told}
        assert found in may_be
        unknown += getattr(error, "commit_unknown", False)
        if wire.armed:
            break
    assert (error, told) == (None, 3500)
    assert unknown >= 2, "the ends of both COPYs were among them"


def test_conflicts_are_retried(db: DistributedDatabase) -> None:
    db.simulate_conflict(times=3, table="bulk")
    assert db.load("bulk", numbered(10)).inserted == 10
    assert db.stats.conflicts == 3


def test_insert_many_is_atomic(db: DistributedDatabase) -> None:
    assert db.insert_many("bulk", numbered(3)) == 3
    assert db.insert_many("bulk", numbered(5), key=["id"]) == 2
    assert db.insert_many("bulk", []) == 0
    with pytest.raises(errors.UniqueConstraintViolation):
        db.insert_many("bulk", [{"id": 77}, {"id": 1}])
    with pytest.raises(ValueError, match=r"3000 rows that one transaction holds; use load\(\)"):
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

            async def arriving() -> AsyncIterator[dict[str, object]]:
                for row in numbered(6500):
                    await asyncio.sleep(0)
                    yield row

            assert (await db.load("bulk", arriving(), key="id")).inserted == 499
            with pytest.raises(ValueError, match="row 1"):
                await db.load("bulk", [(1, 2)], columns=["id"])

    asyncio.run(run())
