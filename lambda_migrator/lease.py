"""Lease of the migrator: one row with its holder, its expiry, and a fencing token.

DSQL has no advisory locks. Every transaction that writes the journal reads this row FOR UPDATE, which DSQL checks at
COMMIT: once another migrator has taken the lease, the former holder cannot commit. (FOR UPDATE rather than an update,
so that it does not count towards `ROWS_PER_TRANSACTION`.) A lease that is not renewed expires.

A DDL statement cannot share a transaction, so before it is sent the holder checks the time since the last renewal and
renews the lease if it may have expired. That covers a process that was frozen and resumes; it does not cover a
statement that is in transit when the lease expires.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.errors import CommitOutcomeUnknown, UniqueConstraintViolation
from custom_resource.deadline import OutOfTime

from .errors import MigrationFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from blocks_runtime import Sql
    from blocks_runtime.database.session import Session

    from .admin import AdminConnection
    from .tables import Reader

TERM = 120.0
"""Seconds until a lease expires without renewal."""

_POLL = (1.0, 3.0)

FIND = sql(
    "SELECT token, holder, acquired_at, expires_at > now() AS held FROM public._migrations_lock WHERE id = 1"
)


class Lease:
    """The right to migrate; `token` is incremented for each new holder."""

    def __init__(self, token: int) -> None:
        self.token = token
        self._renewed = _clocks()

    def fence(self, session: Session) -> None:
        """Make the open transaction of `session` commit only if this lease is still held then.

        Raises:
            MigrationFailedError: another migrator has taken the lease.
        """
        if session.run(fence_query(self.token)).first() is None:
            raise _taken_over(self.token)

    def renew_if_due(self, admin: AdminConnection) -> None:
        """Renew the lease if a third of its term is over; called before every DDL statement.

        Raises:
            MigrationFailedError: another migrator has taken the lease.
        """
        # A suspended machine stops the monotonic clock, setting the time moves the other: the larger difference counts.
        if max(now - then for now, then in zip(_clocks(), self._renewed, strict=True)) > TERM / 3:
            self._extend(admin, TERM)

    def release(self, admin: AdminConnection) -> None:
        """End the lease, so that the next migrator can take it at once."""
        self._extend(admin, 0)

    def _extend(self, admin: AdminConnection, seconds: float) -> None:
        statement = extend_statement(self.token, seconds)
        while True:
            began = _clocks()
            try:
                if admin.write(lambda session: session.run(statement).count) != 1:
                    raise _taken_over(self.token)
            except CommitOutcomeUnknown:
                continue  # it is idempotent
            self._renewed = began
            return


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.time()


def _taken_over(token: int) -> MigrationFailedError:
    return MigrationFailedError(
        "another migrator has taken the lease of this one",
        f"the lease with token {token} was not renewed for {TERM:.0f} s, and expired",
        "nothing to do if the other one succeeds; otherwise migrate again",
    )


@dataclass(frozen=True, slots=True)
class Holder:
    """Holder of the lease: the name of a process, and since when."""

    name: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.name} since {self.since:%Y-%m-%d %H:%M:%S %Z}"


@dataclass(frozen=True, slots=True)
class Queue:
    """Rules for waiting while another process holds the lease.

    `patience` is the number of seconds to wait, by default until the deadline; `waiting` is called once, with the
    holder; `gone` returns whether the process of a holder's name is known to be dead, so that its lease need not
    expire first. `poll` are the shortest and the longest seconds between two attempts, by default those of a migration.
    """

    patience: float = math.inf
    waiting: Callable[[Holder], None] = lambda holder: None
    gone: Callable[[str], bool] = lambda name: False
    poll: tuple[float, float] | None = None


def acquire(admin: AdminConnection, name: str, queue: Queue | None = None) -> Lease:
    """Wait for the lease and take it; `name` is that of this process, which may take its own lease again.

    Raises:
        OutOfTime: another process held it until the deadline.
        MigrationFailedError: another process held it for longer than the patience of `queue`.
    """
    queue = queue or Queue()
    until, reported = time.monotonic() + queue.patience, False
    while True:
        try:
            taken = admin.write(lambda session: _take(session, name, queue.gone))
        except (CommitOutcomeUnknown, UniqueConstraintViolation):
            continue  # it may be taken again under the same name; or another process has inserted the row
        if isinstance(taken, Lease):
            return taken
        if not reported:
            queue.waiting(taken)
            reported = True
        if time.monotonic() >= until:
            raise _occupied(taken)
        _pause(admin, taken, queue.poll or _POLL)


def _pause(admin: AdminConnection, holder: Holder, poll: tuple[float, float]) -> None:
    try:
        admin.deadline.sleep(random.uniform(*poll))  # noqa: S311 (jitter, not a secret)
    except OutOfTime:
        raise OutOfTime(f"another migrator is at work: {holder}") from None


def _occupied(holder: Holder) -> MigrationFailedError:
    return MigrationFailedError(
        "another migrator is at work",
        f"the lease is held by {holder}",
        f"wait for it and migrate again; if it has crashed, its lease expires within {TERM:.0f} s",
    )


def holder_of(reader: Reader) -> Holder | None:
    """Return the holder of the lease, or None if it is free."""
    rows = reader.read(FIND)
    return Holder(rows[0]["holder"], rows[0]["acquired_at"]) if rows and rows[0]["held"] else None


def _take(session: Session, name: str, gone: Callable[[str], bool]) -> Lease | Holder:
    found = session.run(FIND).first()
    if found is not None and found["held"] and found["holder"] != name and not gone(found["holder"]):
        return Holder(found["holder"], found["acquired_at"])
    before = None if found is None else int(found["token"])
    session.run(take_statement(before, name))
    return Lease((before or 0) + 1)


def fence_query(token: int) -> Sql:
    """Return the query that finds the lease only if it has this token, and locks it."""
    return sql(
        "SELECT id FROM public._migrations_lock WHERE id = 1 AND token = {token} FOR UPDATE", token=token
    )


def extend_statement(token: int, seconds: float) -> Sql:
    """Return the statement that extends the lease with this token to `seconds` from now."""
    return sql(
        "UPDATE public._migrations_lock SET expires_at = now() + {seconds} * interval '1 second' "
        "WHERE id = 1 AND token = {token}",
        seconds=seconds,
        token=token,
    )


def take_statement(before: int | None, holder: str) -> Sql:
    """Return the statement that assigns the lease to `holder`; `before` is the last token, None without a row."""
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
