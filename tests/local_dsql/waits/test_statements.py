"""No statement waits for another transaction, nor for what another session keeps the server busy with."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from local_dsql.divergences import BY_ID
from tests.local_dsql.differential.wire_session import Protocol, Request, WireSession
from tests.local_dsql.waits.sessions import Pulse, at_once, opened, said, within
from tests.support.timing import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql import LocalCluster

pytestmark = pytest.mark.slow  # bounds in milliseconds, which need a machine with nothing else to do


TABLES = (
    "CREATE TABLE t (id int PRIMARY KEY, v text)",
    "CREATE TABLE other (id int PRIMARY KEY, v int)",
    "INSERT INTO other VALUES (1, 0), (2, 0)",
)
DDL = (
    "ALTER TABLE t ADD COLUMN late text",
    "ALTER TABLE t DROP COLUMN v",
    "CREATE INDEX ASYNC t_v ON t (v)",
    "CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t (id))",
    "DROP TABLE t",
    "CREATE VIEW seen AS SELECT id FROM t",
)
WRITES = {
    "COPY": Request("COPY t (id) FROM STDIN", copy="1\n"),
    "INSERT": Request("INSERT INTO t (id) VALUES (1)"),
    "DELETE": Request("DELETE FROM t"),
    "SELECT": Request("SELECT id FROM t"),
    "FOR UPDATE": Request("SELECT id FROM t FOR UPDATE"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("ddl", DDL)
def test_behind_open_ddl(local: LocalCluster, ddl: str, write: str) -> None:
    """A statement behind DDL that is not committed answers at once; so does one that wants the writer's rows."""
    with opened(local, *TABLES) as (changer, writer, third):
        said(changer, "BEGIN")
        said(changer, ddl)
        said(writer, "BEGIN")
        at_once(writer, "UPDATE other SET v = 1 WHERE id = 1")
        at_once(writer, WRITES[write])
        at_once(third, "UPDATE other SET v = 2 WHERE id = 1")
        at_once(third, "UPDATE other SET v = 2 WHERE id = 2")
        assert writer.ask("COMMIT").sqlstate in ("", "40001")
        at_once(changer, "ROLLBACK")


def test_the_next_writer_after_a_hidden_write(local: LocalCluster) -> None:
    """A write by functional notation, by a domain and by EXPLAIN ANALYZE holds up no other writer."""
    with opened(
        local,
        *TABLES,
        "CREATE FUNCTION raise(r other) RETURNS int LANGUAGE sql"
        " AS 'UPDATE other SET v = v + 1 WHERE id = r.id RETURNING v'",
        "CREATE FUNCTION raised(i int) RETURNS boolean LANGUAGE sql"
        " AS 'UPDATE other SET v = v + 1 WHERE id = i RETURNING true'",
        "CREATE DOMAIN raising AS int CHECK (raised(VALUE))",
    ) as (first, second, _):
        for sql in (
            "SELECT o.raise FROM other o",
            "SELECT 1::raising",
            "EXPLAIN ANALYZE UPDATE other SET v = v + 1",
        ):
            said(first, "BEGIN")
            said(first, sql)
            at_once(second, "UPDATE other SET v = 9 WHERE id = 1")
            assert first.ask("COMMIT").sqlstate == "40001"


def _beside(local: LocalCluster, slow: str, seconds: float) -> tuple[float, int]:
    """Return the longest statement of four writers of tables of their own beside a slow one, and their number."""
    tables = [f"beside{number}" for number in range(4)]
    setup = [f"CREATE TABLE {name} (id int PRIMARY KEY, n int)" for name in (*tables, "slow")]
    longest: list[float] = []
    done: list[int] = []
    local.reset()
    with opened(
        local, *setup, *(f"INSERT INTO {name} VALUES (1, 0)" for name in (*tables, "slow")), count=5
    ) as sessions:
        busy, *writers = sessions
        busy.start(Request(slow))
        stop = time.monotonic() + seconds * 0.8

        def write(session: WireSession, name: str) -> None:
            times = []
            while time.monotonic() < stop:
                times.append(session.ask(f"UPDATE {name} SET n = n + 1 WHERE id = 1").seconds)
            longest.append(max(times))
            done.append(len(times))

        threads = [threading.Thread(target=write, args=pair) for pair in zip(writers, tables, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while not busy.poll(0.1):
            pass
        assert not busy.take().failed
    return max(longest), min(done)


@pytest.mark.parametrize(
    "slow",
    ["UPDATE slow SET n = n + 1 WHERE pg_sleep(3) IS NOT NULL", "SELECT pg_sleep(3) FROM slow"],
    ids=["writer", "reader"],
)
def test_writers_beside_a_slow_statement(local: LocalCluster, slow: str) -> None:
    """Four writers of other tables beside a statement of 3 s: none waits for more than 50 ms."""

    def measure() -> float:
        seconds, fewest = _beside(local, slow, 3.0)
        assert fewest > 20
        return seconds

    within(0.05, measure)


def test_a_writer_behind_a_busy_reader_holds_up_no_other_session(local: LocalCluster) -> None:
    """A statement that needs a row of a transaction that is busy reading waits; a third writer does not."""
    assert "busy-reader-is-waited-for" in BY_ID
    with opened(local, *TABLES, "INSERT INTO t VALUES (1, 'a')") as (reader, waiting, third):
        said(reader, "BEGIN")
        said(reader, "UPDATE other SET v = 1 WHERE id = 1")
        reader.start(Request("SELECT pg_sleep(1.5)"))
        time.sleep(0.1)
        waiting.start(Request("UPDATE other SET v = 2 WHERE id = 1"))
        time.sleep(0.05)
        at_once(third, "UPDATE other SET v = 3 WHERE id = 2")
        at_once(third, "UPDATE t SET v = 'b'")
        assert not waiting.poll(0.1)
        for session in (reader, waiting):
            while not session.poll(0.1):
                pass
            assert not session.take().failed
        assert reader.ask("COMMIT").sqlstate == "40001"


NESTED: dict[str, Callable[[int], str]] = {
    "comments": lambda depth: "/*" * depth + "*/" * depth + " SELECT 1",
    "open comments": lambda depth: "SELECT 1 " + "/*" * depth,
    "brackets": lambda depth: "SELECT " + "(" * depth + "1" + ")" * depth,
    "quotes": lambda depth: "SELECT '" + "''" * depth + "'",
    "dollars": lambda depth: "SELECT " + "$a$" * (depth // 2 * 2) + " AS x",
    "semicolons": lambda depth: ";" * depth + "SELECT 1",
    "dashes": lambda depth: "--\n" * depth + "SELECT 1",
    "additions": lambda depth: "SELECT " + "1+" * (depth // 10) + "1",
    "operators": lambda depth: "SELECT 1 " + "+-" * (depth // 10) + "1",
}


@pytest.mark.parametrize("kind", NESTED)
def test_a_long_text_holds_up_no_session(local: LocalCluster, kind: str) -> None:
    """While a text of 10,000 and of 60,000 repetitions is read, another session's SELECT 1 answers at once."""

    def measure() -> float:
        with opened(local, count=1) as (writer,), Pulse(local) as pulse:
            for depth in (10_000, 60_000):
                answer = writer.ask(Request(NESTED[kind](depth), protocol=Protocol.SIMPLE), limit=20.0)
                assert answer.sqlstate in ("", "42601", "54001"), answer
            time.sleep(0.05)
        assert pulse.answers > 3
        return pulse.longest

    within(LONGEST, measure)


def test_the_time_for_nested_comments_is_linear(local: LocalCluster) -> None:
    """Four times the comments take less than nine times the time; quadratic would be sixteen."""

    def seconds(session: WireSession, depth: int) -> float:
        return min(session.ask(NESTED["comments"](depth + number)).seconds for number in range(3))

    with opened(local, count=1) as (session,):
        assert seconds(session, 20_000) < max(0.02, 9 * seconds(session, 5_000))
