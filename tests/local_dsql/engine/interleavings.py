"""The form of a case: statements of up to three clients in order, and what each must answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.timing import LONGEST, TooSlowError

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Client

Step = tuple[str, str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Case:
    """`setup` runs in autocommit; `steps` are a client (a, b, c), a statement, and the answers that are right."""

    name: str
    setup: tuple[str, ...]
    steps: tuple[Step, ...]


def rows(*found: tuple[str | None, ...]) -> list[tuple[str | None, ...]]:
    """Return rows as `Reply.short` has them."""
    return sorted(found, key=repr)


def a(sql: str, *expected: object) -> Step:
    """Return a step of the first client; without an expected answer it must succeed."""
    return "a", sql, expected


def b(sql: str, *expected: object) -> Step:
    """Return a step of the second client."""
    return "b", sql, expected


def c(sql: str, *expected: object) -> Step:
    """Return a step of the third client."""
    return "c", sql, expected


def disturb(sql: str) -> tuple[Step, ...]:
    """Return steps that suspend the transaction with a lock on a row: another transaction writes it, and rolls back."""
    return b("begin"), b(sql), b("rollback")


async def play(case: Case, clients: dict[str, Client]) -> list[str]:
    """Run a case; return what was answered wrongly.

    Raises:
        TooSlowError: all answers are right, and one took too long.
    """
    await clients["b"].ok(*case.setup)
    wrong, slow = [], []
    for number, (client, sql, expected) in enumerate(case.steps):
        reply = await clients[client].run(sql)
        right = reply.short in expected if expected else not reply.sqlstate
        if not right:
            wrong.append(
                f"{number} {client}: {sql} -> {reply.short!r} {reply.message}, expected {expected!r}"
            )
        if reply.seconds > LONGEST:
            slow.append(f"{number} {client}: {sql} took {reply.seconds:.3f} s")
    if slow and not wrong:
        raise TooSlowError("; ".join(slow))
    return wrong
