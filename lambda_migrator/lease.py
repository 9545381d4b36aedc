"""One migrator at a time: a row that says who may migrate, until when, and how often it changed hands.

DSQL has no advisory locks. Every transaction that writes the journal reads this row FOR UPDATE, which DSQL
checks at
COMMIT: once another migrator has taken the lease over, nothing of the former holder's can commit any more.
(FOR UPDATE rather than an update, so that it does not count as one of the transaction's 3,000 rows.) A lease
that is not renewed expires.
"""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING

from blocks_runtime import sql
from blocks_runtime.errors import CommitOutcomeUnknown

from .problem import MigrationProblem

if TYPE_CHECKING:
    from blocks_runtime import Sql
    from blocks_runtime.session import Session

    from .admin import Admin

TERM = 120
"""Seconds for which a lease holds without being renewed."""

_POLL = (1.0, 3.0)

FIND = sql(
    "SELECT token, holder, acquired_at, expires_at > now() AS held FROM public._migrations_lock WHERE id = 1"
)


class Lease:
    """The right to migrate; `token` grows whenever it changes hands."""

    def __init__(self, token: int) -> None:
        self.token = token
        self._renewed = time.monotonic()

    def fence(self, session: Session) -> None:
        """Let the transaction that `session` has open commit only if the lease is still ours then.

        Raises:
            MigrationProblem: another migrator has taken over.
        """
        if session.run(fencing(self.token)).fetchone() is None:
            raise _taken_over(self.token)

    def keep(self, admin: Admin) -> None:
        """Prolong the lease if a third of its term is over.

        Raises:
            MigrationProblem: another migrator has taken over.
        """
        if time.monotonic() - self._renewed > TERM / 3:
            self._until(admin, TERM)

    def release(self, admin: Admin) -> None:
        """Let the next migrator in at once."""
        self._until(admin, 0)

    def _until(self, admin: Admin, seconds: int) -> None:
        statement = prolonging(self.token, seconds)
        with contextlib.suppress(CommitOutcomeUnknown):  # it is asked again soon, or expires
            if admin.write(lambda session: session.run(statement).rowcount) != 1:
                raise _taken_over(self.token)
        self._renewed = time.monotonic()


def _taken_over(token: int) -> MigrationProblem:
    return MigrationProblem(
        "another migrator took over from this one",
        f"the lease with token {token} was not renewed for {TERM} s, and expired",
        "nothing to do if the other one succeeds; otherwise deploy again",
    )


def acquire(admin: Admin, holder: str) -> Lease:
    """Wait for the lease and take it; `holder` names this run for people, and may take over its own lease.

    Raises:
        OutOfTime: somebody else held it all the time.
    """
    while True:
        try:
            lease = admin.write(lambda session: _take(session, holder))
        except CommitOutcomeUnknown:
            continue  # taking it again under the same name does no harm
        if lease is not None:
            return lease
        admin.deadline.sleep(random.uniform(*_POLL))  # noqa: S311 (jitter, not a secret)


def holder_of(admin: Admin) -> str | None:
    """Say who holds the lease since when, or None where it is free."""
    rows = admin.read(FIND)
    return f"{rows[0]['holder']} since {rows[0]['acquired_at']}" if rows and rows[0]["held"] else None


def _take(session: Session, holder: str) -> Lease | None:
    found = session.run(FIND).fetchone()
    if found is not None and found["held"] and found["holder"] != holder:
        return None
    before = None if found is None else int(found["token"])
    session.run(taking(before, holder))
    return Lease((before or 0) + 1)


def fencing(token: int) -> Sql:
    """Return the query that finds the lease only while it has this token, and lets nobody change it."""
    return sql(
        "SELECT id FROM public._migrations_lock WHERE id = 1 AND token = {token} FOR UPDATE", token=token
    )


def prolonging(token: int, seconds: int) -> Sql:
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
