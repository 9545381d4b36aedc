"""Runner of scripts whose responses must not depend on interference by another transaction.

Each transaction also writes a row of its own table `hook`. Another write of that row makes the local database suspend
and resume the transaction (`parked`), or makes it lose the conflict (`lost`). Only the response of COMMIT may differ.
"""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg

from tests.isolation.table_setup import execute
from tests.local_dsql.proxy.scenarios import OC000, Error, answer, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local_dsql import LocalCluster

LONGEST = 1.0
"""Seconds that a step may take on a busy machine."""

Ask: TypeAlias = "str | Callable[[psycopg.Connection[Any]], Any]"


class Mode(enum.Enum):
    """Interference with the open transaction."""

    UNDISTURBED = "undisturbed"
    PARKED = "another writes one of its rows after every step, and rolls back"
    PARKED_ONCE = "another writes one of its rows after the last step, and rolls back"
    LOST = "another commits over one of its rows before the first step"
    LOST_LATE = "another commits over one of its rows after the last step but one"


@dataclass(frozen=True)
class Shape:
    """Tables and rows, the statements of one transaction with expected responses, and the result of `look` after
    COMMIT.

    An expected `Error` ends the transaction. `faults` are modes with a known wrong response of the local database,
    `divergences` modes with a response that differs by design, with the id of the known difference.
    """

    name: str
    setup: tuple[str, ...]
    steps: tuple[tuple[Ask, Any], ...]
    look: str = "SELECT 1"
    after: Any = ((1,),)
    commit: Any = "COMMIT"
    faults: dict[Mode, str] = field(default_factory=dict)
    divergences: dict[Mode, str] = field(default_factory=dict)


def run(cluster: LocalCluster, shape: Shape, mode: Mode) -> None:
    """Run a script; every response must be as expected, and no session may wait.

    Raises:
        AssertionError: with all statements and responses.
    """
    cluster.reset()
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        execute(
            admin,
            "CREATE TABLE hook (id int PRIMARY KEY, n int)",
            "INSERT INTO hook VALUES (1, 0)",
            *shape.setup,
        )
        before = admin.execute(shape.look).fetchall()
        won = _play(cluster, shape, mode)
        after = admin.execute(shape.look).fetchall()
        assert matches(after, list(shape.after) if won else before)
        # No lock is held: a new session updates the row at once.
        assert admin.execute("UPDATE hook SET n = 9 WHERE id = 1").rowcount == 1


def _play(cluster: LocalCluster, shape: Shape, mode: Mode) -> bool:
    transcript: list[str] = []

    def said(session: psycopg.Connection[Any], ask: Ask, expected: Any) -> None:
        began = time.monotonic()
        got = answer(session, ask) if isinstance(ask, str) else _called(session, ask)
        took = time.monotonic() - began
        name = ask if isinstance(ask, str) else ask.__name__
        transcript.append(f"  {'b' if session is other else 'a'}: {name[:300]}\n      -> {got!r}"[:800])
        story = "\n".join(transcript)
        assert matches(got, expected), f"expected {expected!r}\n{story}"
        assert took < LONGEST, f"took {took:.3f} s\n{story}"

    with psycopg.connect(cluster.dsn()) as session, psycopg.connect(cluster.dsn()) as other:
        said(session, "UPDATE hook SET n = n + 1 WHERE id = 1", "UPDATE 1")
        if mode is Mode.LOST:
            _intrude(said, other, "COMMIT")
        for left, (ask, expected) in reversed(
            list(zip(range(len(shape.steps)), reversed(shape.steps), strict=True))
        ):
            if mode is Mode.LOST_LATE and left == 0:
                _intrude(said, other, "COMMIT")
            said(session, ask, expected)
            if isinstance(expected, Error):
                session.rollback()
                return False
            if mode is Mode.PARKED or (mode is Mode.PARKED_ONCE and left == 0):
                _intrude(said, other, "ROLLBACK")
        lost = mode in (Mode.LOST, Mode.LOST_LATE)
        said(session, "COMMIT", OC000 if lost else shape.commit)
        session.rollback()
        return not lost and shape.commit == "COMMIT"


def _intrude(said: Callable[..., None], other: psycopg.Connection[Any], end: str) -> None:
    said(other, "UPDATE hook SET n = -1 WHERE id = 1", "UPDATE 1")
    said(other, end, end)


def _called(session: psycopg.Connection[Any], ask: Callable[[psycopg.Connection[Any]], Any]) -> Any:
    try:
        return ask(session)
    except psycopg.Error as error:
        return Error(error.sqlstate or "", error.diag.message_primary or str(error))


def rows(*values: Sequence[Any]) -> list[Any]:
    """Return rows in psycopg's form."""
    return [tuple(value) for value in values]
