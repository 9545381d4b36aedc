"""Portals that a client reads in parts, while others suspend its transaction.

A suspension reads the rows that the client has not asked for only where that changes, locks and awaits nothing. A
client that reads other portals further gets OC000 (divergence `portal-kept-in-part`); that is the only difference.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest

from local_dsql.client.launch import SUSPEND_ALWAYS
from local_dsql.divergences import BY_ID
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, ObjectKind
from tests.local_dsql.proxy import raw_client, wire_blocks
from tests.local_dsql.proxy.cluster import Cluster
from tests.local_dsql.proxy.differential_wire import DifferentialRunner, Script
from tests.local_dsql.proxy.raw_client import RawClient
from tests.local_dsql.proxy.wire_blocks import SYNC, bind, execute, parse, query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql.wire.frames import Frame
    from tests.local_dsql.proxy.wire_blocks import Message

assert "portal-kept-in-part" in BY_ID

WRITES = "CREATE FUNCTION adds(i int) RETURNS int LANGUAGE sql AS 'UPDATE w SET n = n + 1 WHERE id = i RETURNING id'"
READS = "CREATE FUNCTION looks(i int) RETURNS int STABLE LANGUAGE sql AS 'SELECT n FROM w WHERE id = i'"


class Kind(NamedTuple):
    """A statement that a portal executes; `kept`: all its rows are kept. `function` is one that it calls."""

    sql: str
    kept: bool = True
    function: str = ""


KINDS = {
    "a plain read": Kind("SELECT id, n FROM w ORDER BY id"),
    "VALUES": Kind("VALUES (1), (2), (3)"),
    "a read that fails later": Kind("SELECT 1 / (id - 4) FROM w ORDER BY id"),
    "a function that reads": Kind("SELECT looks(id) FROM w ORDER BY id", function=READS),
    "a function that writes": Kind("SELECT adds(id) FROM w ORDER BY id", kept=False, function=WRITES),
    "a plain read beside such a function": Kind("SELECT id FROM w ORDER BY id", function=WRITES),
    "FOR UPDATE": Kind("SELECT id FROM w ORDER BY id FOR UPDATE", kept=False),
    "a parameter": Kind(
        "SELECT set_config('TimeZone', CASE WHEN id < 2 THEN 'Asia/Tokyo' ELSE 'Europe/Paris' END, true)"
        " FROM w ORDER BY id",
        kept=False,
    ),
    "INSERT": Kind("INSERT INTO w SELECT g, g FROM generate_series(11, 14) g RETURNING id"),
    "UPDATE": Kind("UPDATE k SET n = 5, t = 'b' RETURNING n, t"),
    "UPDATE with a function": Kind(
        "INSERT INTO w SELECT g, g FROM generate_series(11, 14) g RETURNING adds(id - 10)", function=WRITES
    ),
    "DELETE": Kind("DELETE FROM w WHERE id > 2 RETURNING 1"),
    "a write in a CTE": Kind("WITH gone AS (DELETE FROM w WHERE id > 2 RETURNING *) SELECT 1 FROM gone"),
    "an upsert": Kind(
        "INSERT INTO w VALUES (1, 5), (9, 5) ON CONFLICT (id) DO UPDATE SET n = 6 RETURNING id"
    ),
    "EXPLAIN": Kind("EXPLAIN (COSTS OFF) SELECT g FROM generate_series(1, 3) g WHERE g > 1 ORDER BY g"),
    "EXPLAIN ANALYZE": Kind(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) DELETE FROM k WHERE n = 5"
    ),
    "SHOW": Kind("SHOW TimeZone"),
    "COPY": Kind("COPY (SELECT id FROM w ORDER BY id) TO STDOUT"),
    "an empty text": Kind(""),
}

BEGUN = [[query("BEGIN")], [query("UPDATE w SET n = n + 1 WHERE id = 1")]]
ENDED = [[query("COMMIT")], [query("SELECT id, n FROM w ORDER BY id; SHOW TimeZone")]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster without functions, which has PL/pgSQL."""
    running = Cluster("2026-11")
    yield running
    running.close()


@pytest.fixture(scope="module")
def runner(cluster: Cluster) -> Iterator[DifferentialRunner]:
    both = DifferentialRunner(cluster)
    yield both
    both.close()


def _play(runner: DifferentialRunner, kind: Kind, background: str, reading: list[list[Message]]) -> bool:
    """Compare with PostgreSQL; return whether the rest of the portal was lost."""
    if kind.function:
        runner.both(kind.function)
    try:
        script = Script([*BEGUN, *reading, *ENDED], background, as_is=True, loses_portals=not kind.kept)
        outcome = runner.play(script, patient=True)
    finally:
        if kind.function:
            runner.both(f"DROP FUNCTION {kind.function.split()[2].split('(')[0]}")
    assert not outcome.mismatch, outcome.mismatch
    assert not outcome.refused
    return outcome.lost


@pytest.mark.parametrize("background", ["quiet", "parked"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_portal_read_in_part_leaves_what_postgresql_leaves(
    runner: DifferentialRunner, kind: Kind, background: str
) -> None:
    reading = [[parse("", kind.sql), bind("p", ""), execute("p", 1), SYNC]]
    assert not _play(runner, kind, background, reading)


@pytest.mark.parametrize("background", ["quiet", "parked"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_portal_is_read_further_as_in_postgresql(
    runner: DifferentialRunner, kind: Kind, background: str
) -> None:
    reading = [
        [parse("", kind.sql), bind("p", ""), execute("p", 1), SYNC],
        [execute("p", 2), SYNC],
        [wire_blocks.describe("P", "p"), execute("p"), SYNC],
    ]
    lost = _play(runner, kind, background, reading)
    assert lost == (not kind.kept and (background == "parked" or SUSPEND_ALWAYS))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_portal_is_bound_before_and_executed_after_a_suspension(
    runner: DifferentialRunner, kind: Kind
) -> None:
    reading = [
        [parse("", kind.sql), bind("p", ""), SYNC],
        [wire_blocks.describe("P", "p"), execute("p"), SYNC],
    ]
    assert not _play(runner, kind, "parked", reading)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_portal_that_has_returned_all_rows_has_no_more(runner: DifferentialRunner, kind: Kind) -> None:
    reading = [
        [parse("", kind.sql), bind("p", ""), execute("p", 100), SYNC],
        [execute("p", 100), SYNC],
    ]
    assert not _play(runner, kind, "parked", reading)


def test_several_portals_are_read_further(runner: DifferentialRunner) -> None:
    reading = [
        [
            *[parse("", KINDS["a plain read"].sql), bind("p", ""), execute("p", 1)],
            *[parse("", KINDS["INSERT"].sql), bind("q", ""), execute("q", 1)],
            *[parse("", KINDS["a read that fails later"].sql), bind("r", ""), execute("r", 1), SYNC],
        ],
        [execute("q", 2), execute("p", 2), execute("q"), execute("r", 1), execute("p"), execute("r"), SYNC],
    ]
    assert not _play(runner, KINDS["a plain read"], "parked", reading)


# what others see


class Reader(RawClient):
    """A client that reads portals in parts."""

    def ask(self, *parts: bytes) -> list[Frame]:
        """Send messages that end with one ReadyForQuery, and return the answer before that."""
        self.send(*parts)
        return self.read()[:-1]

    def fetch(self, sql: str, rows: int = 1) -> list[Frame]:
        """Bind the portal `p`, and read rows of it."""
        return self.ask(
            raw_client.parse(sql), raw_client.bind("p"), raw_client.execute("p", rows), raw_client.SYNC
        )

    def fetch_more(self, rows: int = 0) -> list[Frame]:
        """Read more rows of the portal `p`."""
        return self.ask(raw_client.execute("p", rows), raw_client.SYNC)


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A second session, and a table."""
    with cluster.connect() as connected:
        connected.execute("DROP TABLE IF EXISTS portals")
        connected.execute("CREATE TABLE portals (id int PRIMARY KEY, n int)")
        connected.execute("INSERT INTO portals SELECT g, 0 FROM generate_series(1, 9) g")
        yield connected
        connected.execute("DROP TABLE portals")


@pytest.fixture
def reader(cluster: Cluster) -> Iterator[Reader]:
    client = Reader(cluster)
    with client:
        client.log_in(cluster)
        yield client


def _is_conflict(frames: list[Frame]) -> bool:
    kind, raw = frames[-1]
    return kind == BackendMessage.ERROR_RESPONSE and messages.read_fields(raw)["M"].endswith("(OC000)")


def _rows(frames: list[Frame]) -> list[int]:
    """Return the numbers in rows of one column."""
    return [int(raw[11:]) for kind, raw in frames if kind == BackendMessage.DATA_ROW]


def test_only_rows_that_were_fetched_are_locked(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]], reader: Reader
) -> None:
    reader.ask(messages.query("BEGIN"))
    reader.ask(messages.query("UPDATE portals SET n = 1 WHERE id = 9"))
    assert _rows(reader.fetch("SELECT id FROM portals WHERE id IN (1, 5) ORDER BY id FOR UPDATE")) == [1]
    with admin.transaction(force_rollback=True):
        admin.execute("UPDATE portals SET n = 2 WHERE id = 1")
    admin.execute("UPDATE portals SET n = 3 WHERE id = 5")
    assert reader.ask(messages.query("COMMIT"))[-1][1] == messages.command_complete("COMMIT")


def test_a_sequence_advances_by_the_rows_that_were_fetched(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]], reader: Reader
) -> None:
    admin.execute("CREATE SEQUENCE numbers CACHE 1")
    reader.ask(messages.query("BEGIN"))
    reader.ask(messages.query("UPDATE portals SET n = 1 WHERE id = 9"))
    assert _rows(reader.fetch("SELECT nextval('numbers') FROM portals")) == [1]
    with admin.transaction(force_rollback=True):
        admin.execute("UPDATE portals SET n = 2 WHERE id = 9")
    assert reader.ask(messages.query("COMMIT"))[-1][1] == messages.command_complete("COMMIT")
    assert admin.execute("SELECT nextval('numbers')").fetchone() == (2,)
    admin.execute("DROP SEQUENCE numbers")


SLOW = (
    "CREATE FUNCTION slow(i int) RETURNS int {} LANGUAGE plpgsql AS $$ DECLARE t timestamptz := clock_timestamp();"
    " BEGIN IF i > 1 THEN WHILE clock_timestamp() < t + interval '1 s' LOOP END LOOP; END IF; RETURN i; END $$"
)
LOOKS_ELSEWHERE = (
    "CREATE FUNCTION elsewhere(i int) RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN"
    " IF i > 1 THEN RETURN (SELECT count(*) FROM altered); END IF; RETURN i; END $$"
)


class Delay(NamedTuple):
    """A portal whose rest takes long; `third` is what a third session has begun, `function` one that the text calls."""

    sql: str
    function: str = ""
    third: str = "SELECT 1"


DELAYS = {
    "a row lock of a third session": Delay(
        "SELECT id FROM portals WHERE id IN (1, 5) ORDER BY id FOR UPDATE",
        third="UPDATE portals SET n = n + 10 WHERE id = 5",
    ),
    "a function": Delay("SELECT slow(id) FROM portals ORDER BY id", SLOW.format("VOLATILE")),
    "a function that only reads": Delay("SELECT slow(id) FROM portals ORDER BY id", SLOW.format("STABLE")),
    "a plain read": Delay(
        "SELECT CASE WHEN id > 1 THEN pg_sleep(1)::text ELSE '1' END FROM portals ORDER BY id"
    ),
    "a table that a third session alters": Delay(
        "SELECT elsewhere(id) FROM portals ORDER BY id",
        LOOKS_ELSEWHERE,
        "ALTER TABLE altered ADD COLUMN v int",
    ),
}


@pytest.mark.parametrize(
    "most", [pytest.param(3.0, id="ends"), pytest.param(0.25, id="ends soon", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("delay", DELAYS.values(), ids=DELAYS)
def test_others_do_not_wait_for_rows_that_were_not_fetched(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]], reader: Reader, delay: Delay, most: float
) -> None:
    admin.execute("CREATE TABLE IF NOT EXISTS altered (id int)")
    if delay.function:
        admin.execute(delay.function)
    with cluster.connect(autocommit=False) as third:
        reader.ask(messages.query("BEGIN"))
        reader.ask(messages.query("UPDATE portals SET n = n + 1 WHERE id = 2"))
        assert _rows(reader.fetch(delay.sql)) == [1]
        third.execute(delay.third)
        began = time.monotonic()
        waiter = threading.Thread(
            target=lambda: admin.execute("UPDATE portals SET n = n + 100 WHERE id = 2"), daemon=True
        )
        waiter.start()
        waiter.join(30)
        assert time.monotonic() - began < most
        assert not waiter.is_alive()
        # The third session holds its locks only until its transaction is suspended.
        assert _is_conflict(reader.fetch_more()) or SUSPEND_ALWAYS
        third.rollback()
    reader.ask(messages.query("ROLLBACK"))
    if delay.function:
        admin.execute(f"DROP FUNCTION {delay.function.split()[2].split('(')[0]}")


@pytest.mark.parametrize(
    ("sql", "kept"),
    [("SELECT id FROM portals ORDER BY id", True), ("SELECT id FROM portals ORDER BY id FOR UPDATE", False)],
    ids=["a plain read", "FOR UPDATE"],
)
def test_portals_of_a_transaction_that_has_lost(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]], reader: Reader, sql: str, kept: bool
) -> None:
    """It goes on with a newer snapshot; PostgreSQL closes its portals for that."""
    reader.ask(messages.query("BEGIN"))
    assert _rows(reader.fetch(sql)) == [1]
    reader.ask(raw_client.parse("SELECT id + 10 FROM portals ORDER BY id", "s"), raw_client.SYNC)
    reader.ask(raw_client.bind("bound", "s"), raw_client.SYNC)
    admin.execute("UPDATE portals SET n = 5 WHERE id = 7")
    updated = reader.ask(messages.query("UPDATE portals SET n = 6 WHERE id = 7"))
    assert updated[-1][1] == messages.command_complete("UPDATE 1")
    assert _rows(reader.ask(raw_client.execute("bound"), raw_client.SYNC)) == list(range(11, 20))
    frames = reader.fetch_more()
    if kept:
        assert _rows(frames) == list(range(2, 10))
        assert _is_conflict(reader.ask(messages.query("COMMIT")))
    else:
        assert _is_conflict(frames)


@pytest.mark.parametrize(
    ("sql", "function"),
    [
        ("SELECT id FROM portals ORDER BY id FOR UPDATE", ""),
        (
            "SELECT changes(id) FROM portals ORDER BY id",
            "CREATE FUNCTION changes(i int) RETURNS int LANGUAGE sql"
            " AS 'UPDATE portals SET n = 1 WHERE id = i RETURNING id'",
        ),
    ],
    ids=["FOR UPDATE", "a function that writes"],
)
def test_a_portal_whose_next_row_others_have_changed(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]], reader: Reader, sql: str, function: str
) -> None:
    """It is not run again from its first row."""
    if function:
        admin.execute(function)
    reader.ask(messages.query("BEGIN"))
    assert _rows(reader.fetch(sql)) == [1]
    admin.execute("UPDATE portals SET n = 5 WHERE id = 2")
    assert _is_conflict(reader.fetch_more(1))
    assert reader.ask(messages.query("COMMIT"))[-1][1] == messages.command_complete("ROLLBACK")
    if function:
        admin.execute("DROP FUNCTION changes")


def test_a_portal_whose_first_execution_is_stopped_is_read_further(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]], reader: Reader
) -> None:
    """It runs again from the start, under the same name."""
    reader.ask(messages.query("BEGIN"))
    reader.ask(messages.query("UPDATE portals SET n = 1 WHERE id = 9"))
    sql = "SELECT id FROM portals WHERE pg_sleep(0.1) IS NOT NULL AND id < 7 ORDER BY id FOR UPDATE"
    reader.ask(raw_client.parse(sql), raw_client.bind("p"), raw_client.SYNC)

    def interlope() -> None:
        with contextlib.suppress(psycopg.Error), admin.transaction(force_rollback=True):
            admin.execute("UPDATE portals SET n = 2 WHERE id = 9")

    other = threading.Timer(0.1, interlope)
    other.start()
    first = reader.fetch_more(4)
    other.join()
    assert _rows(first) == [1, 2, 3, 4]
    rest = reader.fetch_more()
    assert _is_conflict(rest) or _rows(rest) == [5, 6]


# upserts that the engine answers, because others have changed rows since the snapshot

UPSERTS = {
    "DO NOTHING": "DO NOTHING RETURNING id",
    "DO UPDATE": "(id) DO UPDATE SET n = 1 WHERE portals.n > 5 RETURNING id",
    "no rows": "DO NOTHING",
}
RESTORE = "INSERT INTO portals VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET n = 0"
CHANGES = ("UPDATE portals SET n = 9 WHERE id = 1", "DELETE FROM portals WHERE id = 1")
LIMITS = ((1, 1, 9), (2, 1, 1), (3, 0), (4, 1), (0, 1))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("clause", UPSERTS.values(), ids=UPSERTS)
def test_an_upsert_over_changed_rows_has_the_messages_of_any_upsert(
    admin: psycopg.Connection[tuple[object, ...]], reader: Reader, clause: str, change: str
) -> None:
    sql = f"INSERT INTO portals VALUES (10, 0), (1, 0), (11, 0), (12, 0) ON CONFLICT {clause}"
    bound = [raw_client.parse(sql), raw_client.describe("", ObjectKind.STATEMENT), raw_client.bind("p")]

    def play(limits: tuple[int, ...], *others: str) -> list[list[Frame]]:
        reader.ask(messages.query("BEGIN"))
        reader.ask(messages.query("SELECT FROM portals"))
        for each in others:
            admin.execute(each)
        found = [reader.ask(*bound, raw_client.execute("p", limits[0]), raw_client.SYNC)]
        found += [reader.fetch_more(limit) for limit in limits[1:]]
        found.append(reader.ask(messages.query("SELECT id, n FROM portals ORDER BY id")))
        reader.ask(messages.query("ROLLBACK"))
        return found

    for limits in LIMITS:
        admin.execute(RESTORE)
        expected = play(limits)
        assert play(limits, change) == expected, limits
