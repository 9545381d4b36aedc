"""Scenarios as data: who says what, and what must come back; one runner for all of them.

A step is `(session, sql, expected)`. Session `x` is in autocommit mode; every other name is a connection whose first
statement opens a transaction, as drivers do. What is expected is a command tag, a list of rows, an `Error`, or `ANY`.
Everything runs in one thread: if a statement waited for another session, the scenario would never end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.local_dsql.proxy.cluster import Cluster

LONGEST = 0.5
"""Seconds that a statement may take on a busy machine; one that waits for a transaction never ends."""


@dataclass(frozen=True)
class Error:
    """An error by its SQLSTATE, and by a part of its message."""

    sqlstate: str
    part: str = ""


OC000 = Error("40001", "change conflicts with another transaction (OC000)")
OC001 = Error("40001", "schema has been updated by another transaction (OC001)")
DUPLICATE = Error("23505")
ABORTED = Error("25P02")


class _Anything:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "ANY"


ANY: Any = _Anything()

Step = tuple[str, str, Any]


@dataclass(frozen=True)
class Scenario:
    """Steps with a name; `divergences` are the ids of the known differences from DSQL that it shows."""

    name: str
    steps: tuple[Step, ...]
    divergences: tuple[str, ...] = field(default=())


def scenario(name: str, *steps: Step, divergences: Sequence[str] = ()) -> Scenario:
    """Return a scenario."""
    return Scenario(name, steps, tuple(divergences))


def run(cluster: Cluster, steps: Sequence[Step]) -> None:
    """Run the steps one after the other and compare each with what is expected.

    Raises:
        AssertionError: an answer differs, or a statement took so long that it must have waited.
    """
    sessions: dict[str, psycopg.Connection[Any]] = {}
    transcript: list[str] = []
    try:
        for name, sql, expected in steps:
            if name not in sessions:
                sessions[name] = cluster.connect(autocommit=name == "x")
            began = time.monotonic()
            got = answer(sessions[name], sql)
            took = time.monotonic() - began
            transcript.append(f"  {name}: {sql}\n      -> {got!r}")
            story = "\n".join(transcript)
            assert matches(got, expected), f"expected {expected!r}\n{story}"
            assert took < LONGEST, f"took {took:.3f} s\n{story}"
    finally:
        for session in sessions.values():
            session.close()


def answer(session: psycopg.Connection[Any], sql: str) -> Any:
    """Return rows, a command tag, or an Error."""
    try:
        if sql == "COMMIT" and not session.autocommit:
            session.commit()
            return "COMMIT"
        if sql == "ROLLBACK" and not session.autocommit:
            session.rollback()
            return "ROLLBACK"
        cursor = session.execute(sql)
        return cursor.fetchall() if cursor.description else cursor.statusmessage
    except psycopg.Error as error:
        message = error.diag.message_primary or str(error)
        if sql == "COMMIT":
            session.rollback()
        return Error(error.sqlstate or "", message)


def matches(got: Any, expected: Any) -> bool:
    """Return whether an answer is as expected."""
    if isinstance(expected, Error) and isinstance(got, Error):
        return got.sqlstate == expected.sqlstate and expected.part in got.part
    return bool(expected == got)
