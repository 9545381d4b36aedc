"""One migrator at a time: a row that says who may migrate, until when, and how often it changed hands.

DSQL has no advisory locks. Every transaction that writes the journal reads this row FOR UPDATE, which DSQL
checks at COMMIT: once another migrator has taken the lease over, nothing of the former holder's can commit
any more. (FOR UPDATE rather than an update, so that it does not count as one of the transaction's 3,000
rows.) A lease that is not renewed expires.

A DDL statement cannot share a transaction with anything, so before it is sent the holder looks at the time
since the last renewal instead, and asks the database if the lease may have expired. That covers a process that
was frozen and goes on; it does not cover a statement that is on the wire already when the lease expires.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.errors import CommitOutcomeUnknown
from custom_resource.deadline import OutOfTime

from .errors import MigrationProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from blocks_runtime import Sql
    from blocks_runtime.database.session import Session

    from .admin import Admin
    from .tables import Reader

TERM = 120.0
"""Seconds for which a lease holds without being renewed."""

_POLL = (1.0, 3.0)

FIND = sql(
    "SELECT token, holder, acquired_at, expires_at > now() AS held FROM public._migrations_lock WHERE id = 1"
)


class Lease:
    """The right to migrate; `token` grows whenever it changes hands."""

    def __init__(self, token: int) -> None:
        self.token = token
        self._renewed = _clocks()

    def fence(self, session: Session) -> None:
        """Let the transaction that `session` has open commit only if the lease is still ours then.

        Raises:
            MigrationProblem: another migrator has taken over.
        """
        if session.run(fencing(self.token)).fetchone() is None:
            raise _taken_over(self.token)

    def keep(self, admin: Admin) -> None:
        """Prolong the lease if a third of its term is over; to be called before every DDL statement.

        Raises:
            MigrationProblem: another migrator has taken over.
        """
        # A suspended machine stops the monotonic clock, a set one moves the other: the larger counts.
        if max(now - then for now, then in zip(_clocks(), self._renewed, strict=True)) > TERM / 3:
            self._until(admin, TERM)

    def release(self, admin: Admin) -> None:
        """Let the next migrator in at once."""
        self._until(admin, 0)

    def _until(self, admin: Admin, seconds: float) -> None:
        statement = prolonging(self.token, seconds)
        while True:
            began = _clocks()
            try:
                if admin.write(lambda session: session.run(statement).rowcount) != 1:
                    raise _taken_over(self.token)
            except CommitOutcomeUnknown:
                continue  # doing it twice does no harm
            self._renewed = began
            return


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.time()


def _taken_over(token: int) -> MigrationProblem:
    return MigrationProblem(
        "another migrator took over from this one",
        f"the lease with token {token} was not renewed for {TERM:.0f} s, and expired",
        "nothing to do if the other one succeeds; otherwise migrate again",
    )


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease: the name of a process, and since when."""

    name: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.name} since {self.since:%Y-%m-%d %H:%M:%S %Z}"


@dataclass(frozen=True, slots=True)
class Queue:
    """How to behave while somebody else holds the lease.

    `patience` is how many seconds to wait, by default as long as there is time at all; `waiting` is called
    once, with whom is being waited for; `gone` says of a holder's name that its process is known to be dead,
    so that its lease need not expire first.
    """

    patience: float = math.inf
    waiting: Callable[[Holder], None] = lambda holder: None
    gone: Callable[[str], bool] = lambda name: False


def acquire(admin: Admin, name: str, queue: Queue | None = None) -> Lease:
    """Wait for the lease and take it; `name` is this process's, and it may take over its own lease.

    Raises:
        OutOfTime: somebody else held it all the time.
        MigrationProblem: somebody else held it longer than the patience of `queue`.
    """
    queue = queue or Queue()
    until, told = time.monotonic() + queue.patience, False
    while True:
        try:
            taken = admin.write(lambda session: _take(session, name, queue.gone))
        except CommitOutcomeUnknown:
            continue  # taking it again under the same name does no harm
        if isinstance(taken, Lease):
            return taken
        if not told:
            queue.waiting(taken)
            told = True
        if time.monotonic() >= until:
            raise _occupied(taken)
        _pause(admin, taken)


def _pause(admin: Admin, holder: Holder) -> None:
    try:
        admin.deadline.sleep(random.uniform(*_POLL))  # noqa: S311 (jitter, not a secret)
    except OutOfTime:
        raise OutOfTime(f"another migrator is at work: {holder}") from None


def _occupied(holder: Holder) -> MigrationProblem:
    return MigrationProblem(
        "another migrator is at work",
        f"the lease is held by {holder}",
        f"let it end, then migrate again; should it be dead, its lease expires within {TERM:.0f} s",
    )


def holder_of(reader: Reader) -> Holder | None:
    """Return who holds the lease, or None where it is free."""
    rows = reader.read(FIND)
    return Holder(rows[0]["holder"], rows[0]["acquired_at"]) if rows and rows[0]["held"] else None


def _take(session: Session, name: str, gone: Callable[[str], bool]) -> Lease | Holder:
    found = session.run(FIND).fetchone()
    if found is not None and found["held"] and found["holder"] != name and not gone(found["holder"]):
        return Holder(found["holder"], found["acquired_at"])
    before = None if found is None else int(found["token"])
    session.run(taking(before, name))
    return Lease((before or 0) + 1)


def fencing(token: int) -> Sql:
    """Return the query that finds the lease only while it has this token, and lets nobody change it."""
    return sql(
        "SELECT id FROM public._migrations_lock WHERE id = 1 AND token = {token} FOR UPDATE", token=token
    )


def prolonging(token: int, seconds: float) -> Sql:
    """Return the statement that lets the lease with this token hold for `seconds` from now."""
    return sql(
        "UPDATE public._migrations_lock SET expires_at = now() + {seconds} * interval '1 second' "
        "WHERE id = 1 AND token = {token}",
        seconds=seconds,
        token=token,
    )


def taking(before: int | None, holder: str) -> Sql:
    """Return the statement that gives the lease to `holder`; `before` is the last token, None for no row."""
    if before is None:
        return sql(
            "INSERT INTO public._migrations_lock (id, token, holder, acquired_at, expires_at) "
            "VALUES (1, 1, {holder}, now(), now() + {seconds} * interval '1 second')",
            holder=holder,
            seconds=TERM,
        )
    return sql(
        "UPDATE public._migrations_lock SET token = {token}, holder = {holder}, acquired_at = now(), "
        "expires_at = now() + {seconds} * interval '1 second' WHERE id = 1",
        token=before + 1,
        holder=holder,
        seconds=TERM,
    )
