"""Optimistic concurrency, exactly: who waits for whom, who goes first, who has lost.

PostgreSQL at REPEATABLE READ lets a statement wait for a row that another transaction has changed, and lets the first
*writer* win. Aurora DSQL lets no statement wait and lets the first *committer* win; the loser learns it at COMMIT.
The engine turns the one into the other, on these invariants:

1. **Nothing waits for a transaction.** Statements that take locks run one at a time (`mutex`). Between statements a
   transaction never has the mutex. So whoever blocks a statement is idle, or in the middle of one plain read, and can
   be *parked*: its changes are read out of PostgreSQL, and it is rolled back to a savepoint taken right after its
   BEGIN. That releases all its locks and keeps its snapshot, its `now()` and its connection.
2. **A parked transaction comes back before it does anything else**: its changes are made again, as row images, on
   its own snapshot. Values that it has told its client (ids, times, defaults) are therefore the ones that it commits.
3. **PostgreSQL is the referee.** On a snapshot at REPEATABLE READ, touching a row that somebody has committed since
   raises 40001. The engine only has to see to it that this happens at COMMIT and not before.
4. **A transaction that has lost is doomed, not failed**: it goes on over a fresh snapshot with its own changes on
   top, so that its statements succeed and read what it wrote, and its COMMIT answers 40001.
5. **What PostgreSQL forgets at COMMIT is remembered** while somebody has an older snapshot: row locks, and keys that
   went away (`registry`).

Order of locking: first the mutex, then the turn of one's own backend. A backend's turn is never kept while waiting
for the mutex.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple

from local_dsql.faults.injector import Injector
from local_dsql.occ.hidden import Hidden
from local_dsql.occ.journal import Journal
from local_dsql.occ.registry import Registry
from local_dsql.occ.tables import Tables
from local_dsql.occ.waits import Waits
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.fifo_lock import FifoLock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from local_dsql.occ.limits import Limits
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.transaction import Transaction
    from local_dsql.wire.backend import Backend


class Moment(NamedTuple):
    """How many commits that changed something, and how many that changed the catalog, there have been."""

    sequence: int
    catalog: int


class Engine:
    """What all sessions share.

    `sequence` counts commits that changed something, `catalog` counts those that changed the catalog.
    """

    control: Backend
    tables: Tables

    def __init__(self, connect: Callable[[], Awaitable[Backend]], limits: Limits) -> None:
        self._connect = connect
        self.limits = limits
        self.mutex = FifoLock()
        self.registry = Registry()
        self.journal = Journal()
        self.waits = Waits()
        self.injector = Injector()
        self.hidden = Hidden()
        self.sequence = 0
        self.catalog = 0
        self.altering = 0
        """How many open transactions have changed the catalog."""
        self._background: set[asyncio.Task[None]] = set()
        self._participants: dict[int, Participant] = {}

    @property
    def moment(self) -> Moment:
        """The counters as they stand; a COMMIT that PostgreSQL has made may not be counted yet."""
        return Moment(self.sequence, self.catalog)

    async def start(self) -> None:
        """Connect to PostgreSQL."""
        self.control = await self._connect()
        self.tables = Tables(self.control)
        await self.hidden.refresh(self.control)

    async def close(self) -> None:
        """Leave PostgreSQL, and ask no more predicates."""
        self.injector.clear()
        self.control.close()

    def terminate(self, pid: int) -> None:
        """End a backend whose client is gone, in the background."""
        task = asyncio.get_running_loop().create_task(self._terminate(pid))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _terminate(self, pid: int) -> None:
        with contextlib.suppress(ConnectionLost):
            await self.control.exclusive_rows(f"SELECT pg_catalog.pg_terminate_backend({pid})")

    def join(self, participant: Participant) -> None:
        """Take a session in."""
        self._participants[participant.backend.pid] = participant

    def leave(self, participant: Participant) -> None:
        """Let a session go."""
        self._participants.pop(participant.backend.pid, None)
        self.ended(participant.transaction)

    def find(self, pid: int) -> Participant | None:
        """Return the session of a backend."""
        return self._participants.get(pid)

    def others(self, participant: Participant) -> Iterator[tuple[Participant, Transaction]]:
        """Yield the other sessions that are in a transaction."""
        for other in list(self._participants.values()):
            if other is not participant and other.transaction is not None:
                yield other, other.transaction

    def oldest_other(self, participant: Participant) -> int | None:
        """Return the oldest snapshot of the others, None where none is open."""
        return min((each.sequence for _, each in self.others(participant) if not each.failed), default=None)

    def in_place(self, transaction: Transaction) -> bool:
        """Tell whether a transaction is where PostgreSQL's is, and what it has seen still holds."""
        return not (
            transaction.failed
            or transaction.implicit
            or transaction.parked is not None
            or transaction.expired
            or transaction.catalog < self.catalog
        )

    def untroubled(self, transaction: Transaction) -> bool:
        """Tell whether a plain read of a transaction needs no thought.

        Where parameters have been set it does: an error takes them back, and the client is told of that.
        """
        return not transaction.settings and self.in_place(transaction)

    def ended(self, transaction: Transaction | None) -> None:
        """Note that a transaction is over."""
        if transaction is not None and transaction.redo is not None:
            transaction.redo = None
            self.altering -= 1
