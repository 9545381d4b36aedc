"""Conflicts on request, and the log of conflicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local_dsql.client.launch import SUSPEND_ALWAYS
from local_dsql.engine.suspend import suspend
from local_dsql.proxy import Attempt, Fault, Injection
from local_dsql.wire import messages
from local_dsql.wire.message_types import FrontendMessage
from tests.local_dsql.proxy.raw_client import SYNC, RawClient, bind, execute, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql.engine.session import EngineSession
    from tests.local_dsql.proxy.cluster import Cluster


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        for table in ("apples", "pears"):
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (id int PRIMARY KEY, n int)")
            connection.execute(f"DELETE FROM {table}")
            connection.execute(f"INSERT INTO {table} VALUES (1, 0), (2, 0)")
        yield connection
    cluster.proxy.engine.services.injector.clear()


def outcomes(connection: psycopg.Connection[Any], *tables: str) -> list[str]:
    """Write to each table in autocommit mode and say what became of it."""
    said = []
    for table in tables:
        try:
            connection.execute(f"UPDATE {table} SET n = n + 1 WHERE id = 1")
            said.append("ok")
        except psycopg.errors.SerializationFailure as error:
            said.append(str(error.diag.message_primary)[-6:-1])
    return said


INJECTIONS = [
    ("the next", Injection(), ["OC000", "ok", "ok", "ok"]),
    ("the next two", Injection(times=2), ["OC000", "OC000", "ok", "ok"]),
    ("every second", Injection(times=None, every=2), ["ok", "OC000", "ok", "OC000"]),
    ("of a table", Injection(table="public.Pears"), ["ok", "OC000", "ok", "ok"]),
    ("OC001", Injection(fault=Fault.OC001), ["OC001", "ok", "ok", "ok"]),
    ("of a row", Injection(table="pears", key="(1)", times=None), ["ok", "OC000", "ok", "OC000"]),
    ("of another row", Injection(table="pears", key="(2)"), ["ok", "ok", "ok", "ok"]),
    ("of a role", Injection(role="app"), ["ok", "ok", "ok", "ok"]),
    ("of a Region", Injection(region="us-east-1", every=3), ["ok", "ok", "OC000", "ok"]),
]


@pytest.mark.parametrize(
    ("injection", "expected"), [case[1:] for case in INJECTIONS], ids=[case[0] for case in INJECTIONS]
)
def test_commits_fail_as_asked(
    cluster: Cluster, admin: psycopg.Connection[Any], injection: Injection, expected: list[str]
) -> None:
    cluster.proxy.engine.services.injector.add(injection)
    assert outcomes(admin, "apples", "pears", "apples", "pears") == expected


@dataclass
class Listener:
    """A judge that lets everything commit, and keeps what it was asked about."""

    heard: list[Attempt] = field(default_factory=list)
    cancelled: bool = False

    async def evaluate(self, attempt: Attempt) -> bool:
        self.heard.append(attempt)
        return False

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def listener(cluster: Cluster, admin: psycopg.Connection[Any]) -> Listener:
    listener = Listener()
    cluster.proxy.engine.services.injector.add(Injection(predicate="listener"), listener)
    return listener


CHANGES: list[tuple[str, dict[str, set[str]]]] = [
    ("UPDATE trees SET n = 1 WHERE id <> 'b'", {"trees": {"(a)", "(c)"}}),
    ("INSERT INTO trees VALUES ('d', 0), ('e', 0)", {"trees": {"(d)", "(e)"}}),
    ("DELETE FROM fruits WHERE tree = 'b'", {"fruits": {"(b,1)"}}),
    ("UPDATE trees SET id = 'z' WHERE id = 'c'", {"trees": {"(c)", "(z)"}}),
    ("DELETE FROM trees WHERE id = 'a'", {"trees": {"(a)"}, "fruits": {"(a,1)", "(a,2)"}}),
    ("INSERT INTO notes VALUES ('x')", {"notes": {"(0,1)"}}),
    ("UPDATE trees SET n = 1 WHERE id = 'none'", {}),
    ("SELECT FROM trees FOR UPDATE", {}),
    ("CREATE TABLE bushes (id int PRIMARY KEY)", {}),
    ('UPDATE grove."Trees" SET n = 1', {"trees": {"(7)"}}),
]
"""Statements, and the rows that they change: a foreign key's own, of other schemas, of tables without a key."""


async def suspend_session(session: EngineSession) -> None:
    async with session.exclusive() as held:
        await suspend(held)


@pytest.mark.parametrize(("sql", "rows"), CHANGES, ids=[sql for sql, _ in CHANGES])
@pytest.mark.parametrize("parked", [False, True])
def test_a_predicate_sees_the_changed_rows(
    cluster: Cluster,
    admin: psycopg.Connection[Any],
    listener: Listener,
    sql: str,
    rows: dict[str, set[str]],
    parked: bool,
) -> None:
    admin.execute('DROP TABLE IF EXISTS fruits, trees, notes, bushes, grove."Trees"')
    admin.execute("CREATE SCHEMA IF NOT EXISTS grove")
    admin.execute("CREATE TABLE trees (id text PRIMARY KEY, n int)")
    admin.execute(
        "CREATE TABLE fruits (tree text REFERENCES trees ON DELETE CASCADE, n int, PRIMARY KEY (tree, n))"
    )
    admin.execute("CREATE TABLE notes (text text)")
    admin.execute('CREATE TABLE grove."Trees" (id int PRIMARY KEY, n int)')
    admin.execute("INSERT INTO trees VALUES ('a', 0), ('b', 0), ('c', 0)")
    admin.execute("INSERT INTO fruits VALUES ('a', 1), ('a', 2), ('b', 1)")
    admin.execute('INSERT INTO grove."Trees" VALUES (7, 0)')
    listener.heard.clear()
    with cluster.connect(autocommit=False) as writer:
        writer.execute("SET search_path TO public")
        writer.execute(sql)
        if parked:
            cluster.run(suspend_session(cluster.proxy.engine.services.sessions[writer.info.backend_pid]))
        writer.commit()
        (attempt,) = listener.heard
        if (parked or SUSPEND_ALWAYS) and "notes" in rows:  # which has no key: its rows are named by place
            rows = {"notes": {"(0,2)"}}
        assert attempt.rows == rows
        assert attempt.statements == (sql,)
        assert writer.execute("SELECT current_user, current_setting('DateStyle')").fetchone() == (
            "admin",
            "ISO, MDY",
        )


def test_looking_leaves_the_session_as_it_was(
    cluster: Cluster, admin: psycopg.Connection[Any], listener: Listener
) -> None:
    """Deferred checks at COMMIT run as the client."""
    admin.execute("CREATE TABLE parents (id int PRIMARY KEY)")
    admin.execute(
        "CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
    )
    with cluster.connect(autocommit=False) as writer:
        writer.execute("INSERT INTO children VALUES (1, 1)")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            writer.commit()
        writer.execute("INSERT INTO children VALUES (1, 1)")
        writer.execute("INSERT INTO parents VALUES (1)")
        writer.commit()
    assert [attempt.rows for attempt in listener.heard[-2:]] == [
        {"children": {"(1)"}},
        {"children": {"(1)"}, "parents": {"(1)"}},
    ]


def test_a_transaction_that_has_lost_is_not_asked_about(
    cluster: Cluster, admin: psycopg.Connection[Any], listener: Listener
) -> None:
    with cluster.connect(autocommit=False) as loser:
        loser.execute("UPDATE apples SET n = 1")
        admin.execute("UPDATE apples SET n = 2")
        loser.execute("UPDATE apples SET n = 3 WHERE id = 1")
        listener.heard.clear()
        with pytest.raises(psycopg.errors.SerializationFailure):
            loser.commit()
    assert listener.heard == []


def test_texts_are_kept_only_while_a_predicate_wants_them(
    cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    with cluster.connect(autocommit=False) as writer:
        writer.execute("UPDATE apples SET n = 1")
        listener = Listener()
        number = cluster.proxy.engine.services.injector.add(Injection(predicate="listener"), listener)
        writer.execute("UPDATE pears SET n = %s", (1,))
        writer.commit()
    (attempt,) = listener.heard
    assert attempt.statements == ("UPDATE pears SET n = $1",)
    assert attempt.rows == {"apples": {"(1)", "(2)"}, "pears": {"(1)", "(2)"}}
    cluster.proxy.engine.services.injector.remove(number)
    assert listener.cancelled
    assert not cluster.proxy.engine.services.injector.has_predicates


def test_reads_are_left_alone(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    number = cluster.proxy.engine.services.injector.add(Injection())
    with cluster.connect(autocommit=False) as reader:
        reader.execute("SELECT * FROM apples")
        reader.commit()
    assert number in cluster.proxy.engine.services.injector.armed()
    cluster.proxy.engine.services.injector.remove(number)
    assert outcomes(admin, "apples") == ["ok"]


@pytest.mark.parametrize(("fault", "committed"), [(Fault.LOST, 0), (Fault.UNKNOWN, 1)])
def test_connection_breaks_at_commit(
    cluster: Cluster, admin: psycopg.Connection[Any], fault: Fault, committed: int
) -> None:
    """Before or after the COMMIT: the client cannot tell which."""
    cluster.proxy.engine.services.injector.add(Injection(fault=fault))
    with cluster.connect(autocommit=False) as connection:
        connection.execute("UPDATE apples SET n = 1 WHERE id = 1")
        with pytest.raises(psycopg.OperationalError):
            connection.commit()
    assert admin.execute("SELECT n FROM apples WHERE id = 1").fetchone() == (committed,)


def test_an_injection_that_never_happens_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Injection(every=0)
    with pytest.raises(ValueError, match="key needs table"):
        Injection(key="(1)")


def test_log_says_who_lost_to_whom(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    with cluster.connect(autocommit=False) as loser, cluster.connect(autocommit=False) as winner:
        loser.execute("UPDATE apples SET n = 1")
        winner.execute("UPDATE apples SET n = 2 WHERE id = 2")
        winner.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            loser.commit()
        last = cluster.proxy.engine.services.conflict_log.conflicts[-1]
        assert last.loser == f"admin@us-east-1#{loser.info.backend_pid}"
        assert last.winners == (f"admin@us-east-1#{winner.info.backend_pid}",)
    assert (last.code, last.tables, set(last.rows), last.injected) == (
        "OC000",
        ("apples",),
        {"(1)", "(2)"},
        False,
    )


_INSERT = "INSERT INTO apples VALUES (7, 7)"
_COPY = messages.frame(FrontendMessage.COPY_DATA, b"7\t7\n") + messages.frame(FrontendMessage.COPY_DONE)
TOLD: dict[str, tuple[bytes, str, str]] = {
    "a write": (messages.query(_INSERT), "CZ", "EZ"),
    "with rows": (messages.query(f"{_INSERT} RETURNING n"), "TDCZ", "TDEZ"),
    "two writes": (messages.query(f"{_INSERT}; UPDATE apples SET n = 8 WHERE id = 7"), "CCZ", "CEZ"),
    "a write and a read": (messages.query(f"{_INSERT}; SELECT 1"), "CTDCZ", "CTDEZ"),
    "copy": (messages.query("COPY apples FROM STDIN") + _COPY, "GCZ", "GEZ"),
    "extended": (parse(_INSERT) + bind() + execute() + SYNC, "12CZ", "12CEZ"),
}
"""A client's messages, and the types of the answers if the commit succeeds, and if it fails.

PostgreSQL commits the last statement of a Query before it says that the statement is complete; in the extended
protocol the commit is the Sync. Its documentation, "message flow".
"""


@pytest.mark.parametrize(("sent", "kept", "lost"), TOLD.values(), ids=TOLD)
def test_what_failed_to_commit_is_not_told_to_be_complete(
    cluster: Cluster, admin: psycopg.Connection[Any], sent: bytes, kept: str, lost: str
) -> None:
    with RawClient(cluster) as client:
        client.log_in(cluster)
        cluster.proxy.engine.services.injector.add(Injection())
        client.send(sent)
        assert client.kinds() == lost
        assert admin.execute("SELECT count(*) FROM apples WHERE id = 7").fetchone() == (0,)
        client.send(sent)
        assert client.kinds() == kept
        assert admin.execute("SELECT count(*) FROM apples WHERE id = 7").fetchone() == (1,)
