"""Statements in a deadlock: PostgreSQL stops one, it runs again, and no client is told.

The engine's own connections are kept busy, so that PostgreSQL finds the deadlock before the engine sees who waits.
"""

from __future__ import annotations

import ast
import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_dsql.engine import answers

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client, Laboratory, Reply

SETUP = (
    "create table t(id int primary key, n int)",
    "insert into t values (1, 0), (2, 0), (3, 0)",
    "create table parent(id int primary key, n int)",
    "create table child(id int primary key, p int references parent deferrable initially deferred)",
    "insert into parent values (1, 0)",
    "create function bump(place int) returns int language sql as"
    " 'update t set n = n + 1 where id = place returning n'",
)
IN_ORDER = """
CREATE FUNCTION in_order(one int, other int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bump(one);
    PERFORM pg_sleep(0.03);
    PERFORM bump(other);
    RETURN 0;
END $$"""
CONFLICT = "40001"


async def _clients(laboratory: Laboratory, names: str) -> dict[str, Client]:
    """Return clients by name, the last one of which has made the tables."""
    clients = {name: await laboratory.client() for name in names}
    await clients[names[-1]].ok(*SETUP)
    superuser = await laboratory.server.connect("postgres")
    await superuser.rows(IN_ORDER)
    superuser.close()
    laboratory.engine.services.catalog.changed(None)
    return clients


@dataclass(frozen=True, slots=True)
class Deadlock:
    """Statements that run in order first, then one of each client at once; `a` and `b` may get these answers."""

    before: tuple[tuple[str, str], ...]
    a: str
    b: str
    answers: tuple[object, ...] = ("",)


DEADLOCKS = {
    "lone statements": Deadlock((), "select in_order(1, 2)", "select in_order(2, 1)"),
    "a lone statement and one of a transaction": Deadlock(
        (("b", "begin"),), "select in_order(1, 2)", "select in_order(2, 1)"
    ),
    "statements of transactions": Deadlock(
        (("a", "begin"), ("b", "begin"), ("a", "select bump(1)"), ("b", "select bump(2)")),
        "update t set n = 5 where id = 2",
        "update t set n = 6 where id = 1",
    ),
    "locks that become stronger": Deadlock(
        (
            ("a", "begin"),
            ("b", "begin"),
            ("a", "select from t where id = 1 for key share"),
            ("b", "select from t where id = 1 for key share"),
        ),
        "select from t where id = 1 for update",
        "select from t where id = 1 for update",
    ),
    "a suspended transaction": Deadlock(
        (
            ("a", "begin"),
            ("b", "begin"),
            ("a", "select bump(1)"),
            ("a", "select bump(3)"),
            ("c", "update t set n = n where id = 1"),  # a is suspended; c commits nothing that changes a key
        ),
        "select in_order(1, 2)",
        "select in_order(2, 1)",
    ),
    "a doomed transaction": Deadlock(
        (
            ("a", "begin"),
            ("a", "select bump(3)"),
            ("c", "update t set n = 9 where id = 3"),
            ("a", "select n from t where id = 3"),
            ("b", "begin"),
        ),
        "select in_order(1, 2)",
        "select in_order(2, 1)",
    ),
    "a statement that is judged": Deadlock(
        (
            ("a", "begin"),
            ("c", "insert into t values (4, 0)"),
            ("b", "begin"),
        ),
        "insert into t select 4, in_order(1, 2)",
        "select in_order(2, 1)",
    ),
    "deferred checks at COMMIT": Deadlock(
        (
            ("a", "begin"),
            ("b", "begin"),
            ("a", "select bump(1)"),
            ("a", "insert into child values (1, 1)"),
            ("b", "select from parent where id = 1 for update"),
        ),
        "commit",
        "select bump(1)",
        ("", CONFLICT),
    ),
}


async def _occupy(laboratory: Laboratory, seconds: float) -> None:
    """Keep the engine's own connections busy."""
    control = laboratory.engine.services.control
    await asyncio.gather(*(control.rows(f"select pg_sleep({seconds})") for _ in range(3)))


@pytest.mark.parametrize("busy", [0, 0.05], ids=["idle engine", "busy engine"])
@pytest.mark.parametrize("deadlock", DEADLOCKS.values(), ids=DEADLOCKS)
def test_no_client_is_told_of_a_deadlock(laboratory: Laboratory, deadlock: Deadlock, busy: float) -> None:
    async def run() -> list[Reply]:
        clients = await _clients(laboratory, "abc")
        for name, sql in deadlock.before:
            await clients[name].ok(sql)
        occupied = asyncio.ensure_future(_occupy(laboratory, busy)) if busy else None
        await asyncio.sleep(0.005 if busy else 0)
        found = await asyncio.gather(clients["a"].run(deadlock.a), clients["b"].run(deadlock.b))
        if occupied is not None:
            await occupied
        return list(found)

    found = laboratory.run(run())
    assert all(each.sqlstate in deadlock.answers for each in found), found


@pytest.mark.parametrize("count", [3, 6])
def test_locks_of_many_that_become_stronger(laboratory: Laboratory, count: int) -> None:
    """All share a lock, so a deadlock is left when one gives it back; if it takes it again at once there is no end."""

    async def rounds(client: Client) -> list[Reply]:
        wanted = (
            "begin",
            "select from t where id = 1 for key share",
            "select from t where id = 1 for update",
        )
        return [await client.run(sql) for sql in wanted]

    async def run() -> list[Reply]:
        clients = await _clients(laboratory, "abcdef"[:count])
        found = await asyncio.gather(*map(rounds, clients.values()))
        return [each for replies in found for each in replies]

    found = laboratory.run(run())
    assert [each.sqlstate for each in found] == [""] * len(found)


def test_only_findings_make_an_answer_of_an_error() -> None:
    """`Answer` is what a client may get, so only the functions of `answers` make one."""
    package = Path(answers.__file__).parent.parent
    makers = {
        path.name
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Answer"
    }
    assert makers == {"answers.py"}
