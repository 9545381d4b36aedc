"""Further public calls: rows of other types, streams, blocks, decorators, plans, deadlines, counters."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import pytest

from blocks_runtime import (
    AsyncDistributedDatabase,
    DistributedDatabase,
    Sql,
    TransactionInfo,
    errors,
    sql,
)
from blocks_runtime.database.cursor import Cursor
from blocks_runtime.database.engine import engine_for
from blocks_runtime.database.session import Session
from blocks_runtime.shared.deadline import RESERVE, expires_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blocks_runtime import AsyncTransaction, Transaction
    from local_dsql import LocalCluster
    from tests.support.relay import Relay

ALL = sql("SELECT id, n FROM items ORDER BY id")
ONE = sql("SELECT n FROM items WHERE id = 1")
ADD = sql("UPDATE items SET n = n + 1 WHERE id = 1")
SLEEP = sql("SELECT pg_sleep(30)")


@dataclass(frozen=True)
class Item:
    id: int
    n: int


class Pair(NamedTuple):
    id: int
    n: int


class Named(TypedDict):
    id: int
    n: int


@pytest.mark.parametrize(
    ("row_type", "first"),
    [
        (Item, Item(1, 100)),
        (Pair, Pair(1, 100)),
        (Named, {"id": 1, "n": 100}),
        (dict, {"id": 1, "n": 100}),
        (tuple, (1, 100)),
        (tuple[int, int], (1, 100)),
        (dict[str, object], {"id": 1, "n": 100}),
    ],
)
def test_rows_of_a_type(db: DistributedDatabase, row_type: type[Any], first: object) -> None:
    assert db.query_one(ALL, row_type) == first
    assert db.query(ALL, row_type)[0] == first
    assert next(iter(db.stream(ALL, row_type))) == first
    assert db.transaction(lambda tx: tx.query_one(ALL, row_type)) == first
    assert db.query_one(ALL) == {"id": 1, "n": 100}, "the next one is a dict again"


def test_columns_that_do_not_fit_are_named(db: DistributedDatabase) -> None:
    with pytest.raises(
        TypeError, match=r"a row with the columns n does not fit Item: .*select exactly the columns"
    ):
        db.query(ONE, Item)
    with pytest.raises(TypeError, match="give a class"):
        db.query(ONE, lambda: None)  # type: ignore[call-overload]
    assert db.query_one(ONE) == {"n": 100}


def test_a_stream_holds_one_chunk_at_a_time(db: DistributedDatabase) -> None:
    many = sql("SELECT n FROM generate_series(1, {last}) AS n", last=5000)
    assert sum(n for (n,) in db.stream(many, tuple, size=100)) == 5000 * 5001 // 2
    assert db.stats.idle == db.stats.open == 1, "the connection is given back after the last row"


def test_a_stream_left_early_costs_its_connection(db: DistributedDatabase) -> None:
    rows = db.stream(sql("SELECT n FROM generate_series(1, 1000000) AS n"), size=10)
    assert next(iter(rows)) == {"n": 1}
    del rows
    assert db.stats.open == 0
    assert db.query_one(ONE) == {"n": 100}


def test_a_stream_in_a_transaction(db: DistributedDatabase) -> None:
    def double(tx: Transaction) -> int:
        total = 0
        for row in list(tx.stream(ALL, size=1)):
            total += tx.execute(sql("UPDATE items SET n = n * 2 WHERE id = {id}", id=row["id"]))
        return total

    assert db.transaction(double) == 2
    assert db.query(ALL, tuple) == [(1, 200), (2, 200)]


def test_an_exception_during_a_stream_passes_through(db: DistributedDatabase) -> None:
    def work(tx: Transaction) -> None:
        tx.execute(ADD)
        for row in tx.stream(sql("SELECT n FROM generate_series(1, 100000) AS n"), size=1):
            raise LookupError(row["n"])

    with pytest.raises(LookupError, match="1"):
        db.transaction(work)
    assert db.query_one(ONE) == {"n": 100}


def test_a_stream_uses_a_connection_exclusively(db: DistributedDatabase) -> None:
    """Anything else would wait for its end, for ever."""

    def work(tx: Transaction) -> None:
        for _ in tx.stream(ALL, size=1):
            tx.execute(ADD)

    with pytest.raises(errors.QueryFailed, match="read it to its end first, or collect the rows"):
        db.transaction(work)
    for row in db.stream(ALL, size=1):
        assert db.execute(sql("UPDATE items SET n = 0 WHERE id = {id}", id=row["id"])) == 1


def test_a_stream_raises_its_errors(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed, match="division by zero"):
        list(db.stream(sql("SELECT 1 / (3 - n) FROM generate_series(1, 9) AS n"), size=1))
    with pytest.raises(ValueError, match="size is 0"):
        db.stream(ALL, size=0)
    assert db.query_one(ONE) == {"n": 100}


def test_a_block_commits_or_rolls_back(db: DistributedDatabase) -> None:
    with db.transaction() as tx:
        tx.execute(ADD)
    assert (tx.info.attempts, tx.info.conflicts) == (1, [])
    with pytest.raises(LookupError), db.transaction() as tx:
        tx.execute(ADD)
        raise LookupError
    assert db.query_one(ONE) == {"n": 101}
    with pytest.raises(errors.TransactionAborted, match="the transaction is over"):
        tx.query(ONE)


def test_a_block_cannot_be_retried(db: DistributedDatabase) -> None:
    with pytest.raises(TypeError, match="a with block cannot be run again"):
        db.transaction(retry_on_conflict=True)  # type: ignore[call-overload]
    db.simulate_conflict()
    with pytest.raises(errors.SerializationFailure), db.transaction() as tx:
        tx.execute(ADD)
    assert tx.info.conflicts == ["40001"]


def test_a_coroutine_function_is_refused_as_callback(db: DistributedDatabase) -> None:
    """It would commit an empty transaction and never run."""

    async def work(tx: Transaction) -> None:
        tx.execute(ADD)

    with pytest.raises(TypeError, match="use AsyncDistributedDatabase"):
        db.transaction(work)  # type: ignore[unused-coroutine]
    assert db.stats.commits == 0


def test_a_decorated_function_is_a_transaction(db: DistributedDatabase) -> None:
    @db.transactional(retry_on_conflict=True)
    def add(tx: Transaction, amount: int, *, id: int) -> tuple[int, TransactionInfo]:
        """Add."""
        return tx.execute(sql("UPDATE items SET n = n + {a} WHERE id = {id}", a=amount, id=id)), tx.info

    db.simulate_conflict(times=2)
    changed, info = add(5, id=2)
    assert add.__doc__ == "Add."
    assert (changed, info.attempts, info.conflicts) == (1, 3, ["40001", "40001"])
    assert info.milliseconds > 0
    assert db.query(ALL, tuple) == [(1, 100), (2, 105)]


def test_an_autocommit_statement_is_retried_after_conflicts(db: DistributedDatabase) -> None:
    """Nothing of it was committed, so it is retried automatically."""
    db.simulate_conflict(times=2)
    assert db.execute(ADD) == 1
    assert db.query_one(ONE) == {"n": 101}
    assert (db.stats.conflicts, db.stats.retries) == (2, 2)


def test_conflicts_can_be_limited_to_a_table(db: DistributedDatabase) -> None:
    db.simulate_conflict("OC001", table="items")
    with pytest.raises(errors.SerializationFailure, match="OC001"):
        db.transaction(lambda tx: tx.execute(ADD))
    with pytest.raises(ValueError, match="OC000"):
        db.simulate_conflict("40001")


def test_only_a_local_database_simulates_conflicts(function: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOCKS_MAIN_CA")
    monkeypatch.setenv("BLOCKS_MAIN_ENDPOINT", "abc.dsql.us-east-1.on.aws")
    with pytest.raises(errors.ConfigurationError, match="is not a local database"):
        DistributedDatabase("main").simulate_conflict()


def test_a_plan_is_text_and_tree(db: DistributedDatabase) -> None:
    plan = db.explain(sql("SELECT count(*) FROM generate_series(1, {x}) AS n WHERE n > 2", x=9))
    assert str(plan).startswith("Aggregate  (cost=")
    assert plan.root.label == "Aggregate"
    (scan,) = plan.root.children
    assert scan.label == "Function Scan on pg_catalog.generate_series n"
    assert any(detail.startswith("Filter: (n.n > 2)") for detail in scan.details)
    assert scan.estimated_rows is not None
    assert scan.rows is None
    assert list(plan.root.walk()) == [plan.root, scan]


def test_an_analyzed_plan_measures_and_changes_nothing(db: DistributedDatabase) -> None:
    plan = db.explain(sql("UPDATE items SET n = 0"), analyze=True)
    assert plan.root.label.startswith("Update on ")
    assert plan.root.children[0].rows == 2
    assert any(line.startswith("Execution Time") for line in plan.summary)
    assert db.query_one(ONE) == {"n": 100}
    assert db.transaction(lambda tx: tx.explain(ALL)).root.label


def test_a_deadline_ends_a_statement(db: DistributedDatabase) -> None:
    db.warm_up()
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded) as caught:
        db.query(SLEEP, deadline=0.5)
    assert time.monotonic() - started < 20
    assert caught.value.sent
    assert (db.stats.open, db.stats.idle) == (0, 0), "the connection is closed"
    assert db.query_one(ONE) == {"n": 100}


def test_a_write_past_its_deadline_is_unknown(db: DistributedDatabase) -> None:
    db.warm_up()
    with pytest.raises(errors.CommitOutcomeUnknown):
        db.execute(sql("UPDATE items SET n = 0 WHERE (SELECT true FROM pg_sleep(30))"), deadline=0.5)


def test_a_deadline_ends_a_transaction(db: DistributedDatabase) -> None:
    def slow(tx: Transaction) -> None:
        tx.execute(ADD)
        tx.query(SLEEP)

    with pytest.raises(errors.DeadlineExceeded):
        db.transaction(slow, retry_on_conflict=True, deadline=0.3)
    with pytest.raises(errors.DeadlineExceeded, match="before the statement was sent"):
        db.transaction(lambda tx: time.sleep(0.4), deadline=0.3)
    assert db.query_one(ONE) == {"n": 100}


LIMITED: tuple[Callable[[DistributedDatabase], object], ...] = (
    lambda db: db.query(SLEEP),
    lambda db: list(db.stream(SLEEP)),
    lambda db: db.transaction(lambda tx: tx.query(SLEEP, deadline=60), deadline=60),
    lambda db: db.transaction(lambda tx: list(tx.stream(SLEEP))),
    lambda db: db.explain(SLEEP, analyze=True),
)


def test_a_deadline_for_every_statement(function: None) -> None:
    with DistributedDatabase("main", statement_deadline=1.0) as db:
        db.warm_up(2)
        assert db.query_one(ONE) == {"n": 100}
        for run in LIMITED:
            started = time.monotonic()
            with pytest.raises(errors.DeadlineExceeded):
                run(db)
            assert time.monotonic() - started < 15
        assert db.transaction(lambda tx: [tx.query(sql("SELECT pg_sleep(0.4)")) for _ in range(3)]) != []


WAITING: dict[str, Callable[[DistributedDatabase], object]] = {
    "query": lambda db: db.query(ONE),
    "execute": lambda db: db.execute(ADD),
    "stream": lambda db: list(db.stream(ALL)),
    "explain": lambda db: db.explain(ONE, analyze=True),
    "insert_many": lambda db: db.insert_many("items", [{"id": 5, "n": 5}]),
    "load": lambda db: db.load("items", [{"id": 6, "n": 6}]),
    "load with key": lambda db: db.load("items", [{"id": 7, "n": 7}], key="id"),
    "transaction": lambda db: db.transaction(lambda tx: tx.query(ONE)),
}


def test_a_wait_for_the_pool_takes_no_time_from_a_statement(function: None) -> None:
    with (
        DistributedDatabase("main", max_connections=1, statement_deadline=1.0) as db,
        ThreadPoolExecutor() as pool,
    ):
        with db.transaction():
            running = {name: pool.submit(call, db) for name, call in WAITING.items()}
            time.sleep(1.2)
        assert {name: call.exception() for name, call in running.items()} == dict.fromkeys(WAITING)


def test_a_wait_for_the_transaction_takes_no_time_from_a_statement(function: None) -> None:
    nap = sql("SELECT pg_sleep(0.4)")

    def work(tx: Transaction) -> list[object]:
        calls: list[Callable[[Sql], object]] = [*[tx.query] * 3, lambda nap: list(tx.stream(nap))]
        with ThreadPoolExecutor() as pool:
            return [call.exception() for call in [pool.submit(call, nap) for call in calls]]

    async def tasks() -> list[object]:
        async def work(tx: AsyncTransaction) -> list[object]:
            async def stream() -> list[object]:
                return [row async for row in tx.stream(nap)]

            calls = [*(tx.query(nap) for _ in range(3)), stream()]
            done = await asyncio.gather(*calls, return_exceptions=True)
            return [each if isinstance(each, BaseException) else None for each in done]

        async with AsyncDistributedDatabase("main", statement_deadline=1.0) as db:
            return await db.transaction(work)

    with DistributedDatabase("main", statement_deadline=1.0) as db:
        assert db.transaction(work) == [None] * 4
    assert asyncio.run(tasks()) == [None] * 4


def test_a_deadline_for_every_statement_of_a_server_that_stopped(wire: Relay) -> None:
    """Also for BEGIN, COMMIT and the statements of bulk loading."""

    def commit(tx: Transaction) -> None:
        tx.execute(ADD)
        wire.fall_silent()

    def stopped(db: DistributedDatabase) -> DistributedDatabase:
        db.query(ONE)
        wire.fall_silent()
        return db

    rows = [{"id": 7, "n": 7}]
    calls: dict[str, tuple[Callable[[DistributedDatabase], object], type[errors.DatabaseError]]] = {
        "BEGIN": (lambda db: stopped(db).transaction(lambda tx: tx.query(ONE)), errors.DeadlineExceeded),
        "COMMIT": (lambda db: db.transaction(commit), errors.CommitOutcomeUnknown),
        "load": (lambda db: stopped(db).load("items", rows), errors.CommitOutcomeUnknown),
        "load with key": (
            lambda db: stopped(db).load("items", rows, key="id", max_retries=0),
            errors.CommitOutcomeUnknown,
        ),
        "insert_many": (lambda db: stopped(db).insert_many("items", rows), errors.CommitOutcomeUnknown),
    }
    for name, (call, expected) in calls.items():
        with DistributedDatabase("main") as db:
            db.insert_many(
                "items", [{"id": 1, "n": 1}], key="id"
            )  # connects, and reads the columns of the table
            db._connected().statement_deadline = db._statement_deadline = 0.5
            started = time.monotonic()
            with pytest.raises(expected):
                call(db)
            assert 0.4 < time.monotonic() - started < 10, name
            wire.go_on()


def test_a_deadline_for_a_whole_load(db: DistributedDatabase) -> None:
    def rows() -> Iterator[dict[str, int]]:
        for number in range(100, 110):
            time.sleep(0.05)
            yield {"id": number, "n": 1}

    with pytest.raises(errors.DeadlineExceeded, match="before the statement was sent"):
        db.load("items", rows(), key="id", deadline=0.2)
    with pytest.raises(errors.DeadlineExceeded):
        db.insert_many("items", rows(), deadline=0.2)
    assert db.query_value(sql("SELECT count(*) FROM items")) == 2
    assert db.load("items", rows(), deadline=30).inserted == 10


class Context:
    """Lambda's, as far as it matters."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


def test_the_deadline_comes_from_the_lambda_context(db: DistributedDatabase) -> None:
    with pytest.raises(errors.DeadlineExceeded):
        db.query(SLEEP, deadline=Context(int(RESERVE * 1000) + 200))
    assert db.query_one(ONE, deadline=Context(30_000)) == {"n": 100}
    assert db.transaction(lambda tx: tx.query_one(ONE), deadline=Context(30_000)) == {"n": 100}


def test_retries_end_with_the_deadline(db: DistributedDatabase) -> None:
    db.warm_up()
    db.simulate_conflict(times=1000)
    try:
        # The deadline may end during a COMMIT, whose answer is unknown then.
        outcomes = errors.SerializationFailure, errors.DeadlineExceeded, errors.CommitOutcomeUnknown
        with pytest.raises(outcomes) as caught:
            db.transaction(
                lambda tx: tx.execute(ADD), retry_on_conflict=True, max_retries=10_000, deadline=2.0
            )
        assert caught.value.attempts > 1
    finally:
        _disarm(db)
    assert db.query_one(ONE) == {"n": 100}


def _disarm(db: DistributedDatabase) -> None:
    from pathlib import Path

    from local_dsql import LocalCluster

    with LocalCluster(Path(os.environ["BLOCKS_MAIN_CA"]).parent) as cluster:
        cluster.clear_injections()


@pytest.mark.parametrize("deadline", [0, -1.0])
def test_a_deadline_in_the_past_is_refused(deadline: float) -> None:
    with pytest.raises(ValueError, match="give a positive number"):
        expires_at(deadline)


def test_prepared_statements_made_stale_by_a_migration(
    db: DistributedDatabase, cluster: LocalCluster
) -> None:
    """PostgreSQL then refuses them; a new connection has none, so the statement is run again on one."""
    import psycopg

    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("CREATE TABLE growing (id int)")
        admin.execute("GRANT SELECT ON growing TO app")
        star = sql("SELECT * FROM growing")
        for _ in range(8):
            db.query(star)
        admin.execute("ALTER TABLE growing ADD COLUMN more int")
        assert db.query(star) == []
        for _ in range(8):
            db.query(star)
        admin.execute("ALTER TABLE growing ADD COLUMN yet_more int")
        assert db.transaction(lambda tx: tx.query(star), retry_on_conflict=True) == []
        admin.execute("DROP TABLE growing")


def test_counters(db: DistributedDatabase) -> None:
    assert db.stats == type(db.stats)()
    db.query(ONE)
    db.transaction(lambda tx: tx.query(ONE))
    stats = db.stats
    assert (stats.statements, stats.commits, stats.connects, stats.open, stats.idle) == (4, 1, 1, 1, 1)
    assert (stats.conflicts, stats.retries, stats.unknown, stats.refused, stats.replaced) == (0, 0, 0, 0, 0)


def test_a_forked_process_connects_for_itself(db: DistributedDatabase, tmp_path: Path) -> None:
    db.query(ONE)
    child = os.fork()
    if child == 0:
        answer = "nothing"
        try:
            answer = f"{db.query_one(ONE)} {db.stats.connects}"
        finally:
            (tmp_path / "answer").write_text(answer)
            os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / "answer").read_text() == "{'n': 100} 1"
    assert db.query_one(ONE) == {"n": 100}
    assert db.stats.connects == 1, "the parent's connection is as it was"


def test_a_result_is_released(function: None) -> None:
    """A warm Lambda would carry it along for hours otherwise."""
    engine = engine_for("main", 1)
    rows = engine.run(sql("SELECT n FROM generate_series(1, 2000) AS n"), Cursor.all, None, None)
    assert len(rows) == 2000
    session, _ = engine.pool.take(Session.ping_if_idle)
    assert session._cursor.transformer.pgresult is None
    engine.pool.release(session)
    engine.close()


def test_lazy_exports() -> None:
    import blocks_runtime

    for name in vars(blocks_runtime)["__all__"]:
        assert getattr(blocks_runtime, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        blocks_runtime.nothing  # type: ignore[attr-defined]  # noqa: B018


REFUSED: dict[str, Callable[[], object]] = {
    "no connections": lambda: DistributedDatabase("main", max_connections=0),
    "negative retries": lambda: DistributedDatabase("main").transaction(
        lambda tx: None, retry_on_conflict=True, max_retries=-1
    ),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_impossible_numbers_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="give"):
        call()


NOTHING = sql("SELECT n FROM items WHERE id = -1")


def test_exactly_one_row(db: DistributedDatabase) -> None:
    assert db.query_exactly_one(ONE) == {"n": 100}
    assert db.query_exactly_one(sql("SELECT id, n FROM items WHERE id = 1"), Item) == Item(1, 100)
    with pytest.raises(
        errors.NoResultFound, match="returned no row, and one was asked for; use query_one"
    ) as none:
        db.query_exactly_one(NOTHING)
    assert (none.value.status, none.value.statement) == (404, NOTHING.text)
    with pytest.raises(errors.MultipleResultsFound, match="returned 2 rows, and one was asked for") as many:
        db.query_exactly_one(ALL)
    assert many.value.statement == ALL.text
    with pytest.raises(errors.QueryFailed, match="returns no rows to read"):
        db.query_exactly_one(ADD)

    def work(tx: Transaction) -> None:
        tx.execute(ADD)
        tx.query_exactly_one(NOTHING)

    with pytest.raises(errors.NoResultFound):
        db.transaction(work, retry_on_conflict=True)
    assert db.query_value(ONE) == 101, "the transaction was rolled back; the statement alone took effect"


VALUES = {
    "uuid": (sql("SELECT {v}::uuid", v="no uuid"), sql("SELECT 'no uuid'::uuid")),
    "number": (sql("SELECT {v}::int", v="x"), sql("SELECT 'x'::int")),
    "date": (sql("SELECT {v}::date", v="today or so"), sql("SELECT 'today or so'::date")),
    "time of day": (sql("SELECT {v}::time", v="25:61"), sql("SELECT '25:61'::time")),
}


@pytest.mark.parametrize(("of_the_caller", "in_the_text"), VALUES.values(), ids=VALUES)
def test_a_parameter_that_is_no_value_of_its_type_has_the_status_400(
    db: DistributedDatabase, of_the_caller: Sql, in_the_text: Sql
) -> None:
    with pytest.raises(errors.QueryFailed) as refused:
        db.query(of_the_caller)
    assert refused.value.status == 400, refused.value.sqlstate
    with pytest.raises(errors.QueryFailed) as mistake:
        db.query(in_the_text)
    assert mistake.value.status == 500, "the statement itself is wrong"


def test_one_value(db: DistributedDatabase) -> None:
    assert db.query_value(ONE) == 100
    assert db.query_value(ONE, int) == 100
    assert db.query_value(sql("SELECT NULL::int"), int) is None
    assert db.query_value(NOTHING) is None
    assert db.query_value(sql("SELECT ARRAY[1, 2]"), list[int]) == [1, 2]
    assert db.transaction(lambda tx: tx.query_value(sql("SELECT n FROM items ORDER BY id"), int)) == 100
    with pytest.raises(
        errors.QueryFailed, match="returns 2 columns, and one value was asked for; select one"
    ):
        db.query_value(ALL)
    with pytest.raises(TypeError, match=r"of type Decimal, not int; cast it in the statement"):
        db.query_value(sql("SELECT 1.5"), int)


def test_errors_show_the_statement_and_never_its_parameters(db: DistributedDatabase) -> None:
    with pytest.raises(errors.QueryFailed) as syntax:
        db.query(sql("SELECT n\nFORM items WHERE id = {id}", id="secret"))
    assert str(syntax.value).splitlines()[1:3] == ["LINE 2: FORM items WHERE id = $1", " " * 13 + "^"]
    assert syntax.value.statement == "SELECT n\nFORM items WHERE id = $1"
    insert = sql("INSERT INTO items\n  VALUES ({id}, {n})", id=1, n=4242)
    with pytest.raises(errors.UniqueConstraintViolation) as duplicate:
        db.execute(insert)
    assert str(duplicate.value).splitlines()[1] == "STATEMENT:  INSERT INTO items VALUES ($1, $2)"
    with pytest.raises(errors.QueryFailed) as missing:
        db.query(sql("SELECT nosuch({id})", id=4242))
    lines = str(missing.value).splitlines()
    assert lines[1:3] == ["LINE 1: SELECT nosuch($1)", "               ^"]
    assert lines[3].startswith("HINT:  No function matches")
    with pytest.raises(errors.DeadlineExceeded, match=r"STATEMENT:  SELECT pg_sleep\(\$1\)"):
        db.query(sql("SELECT pg_sleep({n})", n=4242), deadline=0.1)
    long = sql("SELECT 1/0, {n}, " + ", ".join(["'a'"] * 300), n=4242)
    with pytest.raises(errors.QueryFailed) as divided:
        db.query(long)
    assert len(str(divided.value)) < 400
    with pytest.raises(errors.UniqueConstraintViolation) as streamed:
        list(db.stream(sql("INSERT INTO items VALUES ({id}, {n}) RETURNING id", id=1, n=4242)))
    assert streamed.value.statement == "INSERT INTO items VALUES ($1, $2) RETURNING id"
    for caught in (syntax, duplicate, missing, divided, streamed):
        assert "4242" not in str(caught.value)
        assert "secret" not in repr(caught.value) + str(vars(caught.value))
