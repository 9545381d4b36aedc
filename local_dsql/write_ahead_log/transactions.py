"""Transactions in the log: open ones with their subtransactions, and those that have committed."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_dsql.write_ahead_log.operations import LockStrength
from local_dsql.write_ahead_log.packed import unpack, without_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from local_dsql.write_ahead_log.operations import RowOperation
    from local_dsql.write_ahead_log.snapshot import Snapshot

_NUMBERS = 1 << 32
_HALF = 1 << 31
_MOST_FORGOTTEN = 5_000
_NONE: frozenset[int] = frozenset()

_STRENGTHS = (
    LockStrength.KEY_SHARE,
    LockStrength.SHARE,
    LockStrength.NO_KEY_UPDATE,
    LockStrength.UPDATE,
    LockStrength.NO_KEY_UPDATE,
    LockStrength.UPDATE,
)
"""Lock of each status of a MultiXact's member: four locks, an update that keeps the keys, any other (multixact.h)."""


@dataclass(slots=True, eq=False)
class CommittedTransaction:
    """A transaction that has committed changes or locks of rows. It is equal only to itself, and can be a key.

    Attributes:
        xid: number of the top-level transaction (64 bits).
        subtransactions: numbers of its subtransactions that were not rolled back (64 bits).
        lsn: position of the record of its COMMIT.
    """

    xid: int
    subtransactions: frozenset[int]
    lsn: int
    _operations: tuple[bytes, ...] = field(repr=False)

    @property
    def operations(self) -> list[RowOperation]:
        """Return its row operations in the order of the log, without those that were rolled back.

        Every call decodes them, 1 µs each.
        """
        return unpack(self._operations)


@dataclass(slots=True)
class OpenTransaction:
    """A transaction or subtransaction that has not ended in the log read so far. Numbers in it have 32 bits.

    Attributes:
        xid: its number, with the epoch (64 bits).
        top: number of its top-level transaction; 0 if it is one itself, or the log has not named its parent.
        subtransactions: numbers of its known subtransactions that have not been rolled back.
        operations: row operations under this number, packed.
    """

    xid: int
    top: int = 0
    subtransactions: set[int] | None = None
    operations: bytearray = field(default_factory=bytearray)


class Transactions:
    """The transactions in the records of the log; `xid` is the 32-bit number in a record, unless said otherwise.

    Args:
        next_xid: a number (64 bits) near those in the log; it gives the epoch.
    """

    def __init__(self, next_xid: int) -> None:
        self._reference = next_xid
        self.open: dict[int, OpenTransaction] = {}
        self._committed: dict[int, CommittedTransaction] = {}
        self._order: list[int] = []
        """Numbers of the committed transactions (64 bits), sorted; forgotten ones may stay for a while."""
        self._ends: deque[CommittedTransaction] = deque()
        self._multixacts: dict[int, Sequence[tuple[int, int]]] = {}
        self._multixact_places: deque[tuple[int, int]] = deque()

    def widen(self, xid: int) -> int:
        """Return the 64-bit number nearest to the latest one known: live numbers span less than 2^31."""
        return self._reference + (xid - self._reference + _HALF) % _NUMBERS - _HALF

    def begin(self, xid: int, top: int = 0) -> OpenTransaction:
        """Return the transaction, recorded as open; `top` is the parent of a subtransaction if a record names it."""
        transaction = self.open.get(xid)
        if transaction is None:
            transaction = self.open[xid] = OpenTransaction(self.widen(xid))
            self._reference = max(self._reference, transaction.xid)
        if top and top != xid:
            transaction.top = top
            parent = self.begin(top)
            if parent.subtransactions is None:
                parent.subtransactions = set()
            parent.subtransactions.add(xid)
        return transaction

    def commit(self, xid: int, subtransactions: Sequence[int], lsn: int) -> None:
        """End a transaction together with the subtransactions that its COMMIT names."""
        operations, subs = self._end(xid), _NONE
        if subtransactions:
            operations += tuple(part for sub in subtransactions for part in self._end(sub))
            subs = frozenset(map(self.widen, subtransactions))
        if not operations:
            return
        number = self.widen(xid)
        committed = CommittedTransaction(number, subs, lsn, operations)
        self._committed[number] = committed
        insort(self._order, number)
        self._ends.append(committed)

    def _end(self, xid: int) -> tuple[bytes, ...]:
        """Forget an open transaction and return its operations, as a list of at most one part."""
        transaction = self.open.pop(xid, None)
        return (bytes(transaction.operations),) if transaction and transaction.operations else ()

    def abort(self, xid: int, subtransactions: Iterable[int]) -> None:
        """Forget a transaction or subtransaction that was rolled back, and those released into it."""
        for number in (xid, *subtransactions):
            transaction = self.open.pop(number, None)
            if transaction is None:
                continue
            if (top := self.open.get(transaction.top)) is not None and top.subtransactions:
                top.subtransactions.discard(number)

    def truncate(self, file: int, block: int) -> None:
        """Forget the operations of open transactions in blocks of a file that are cut off.

        VACUUM cuts empty blocks. TRUNCATE cuts the file only if the same transaction has made the table.
        """
        for transaction in self.open.values():
            transaction.operations = without_blocks(transaction.operations, file, block)

    def create_multixact(self, number: int, members: Sequence[tuple[int, int]], lsn: int) -> None:
        """Record the members of a MultiXact: transaction (32 bits) and status."""
        self._multixacts[number] = members
        self._multixact_places.append((lsn, number))

    def strength(self, multixact: int, xid: int) -> LockStrength | None:
        """Return the strongest lock of a transaction in a MultiXact, None if its creation was not read."""
        members = self._multixacts.get(multixact, ())
        return max((_STRENGTHS[status] for member, status in members if member == xid), default=None)

    def operations(self, xids: Iterable[int]) -> list[RowOperation]:
        """Return the operations of open transactions (64 bits) in the order of the log."""
        found = map(self._known, xids)
        return unpack(
            transaction.operations for transaction in found if transaction and transaction.operations
        )

    def subtransactions(self, xid: int) -> frozenset[int]:
        """Return the subtransactions of an open transaction (64 bits all) that have not been rolled back."""
        transaction = self._known(xid)
        return frozenset(map(self.widen, (transaction and transaction.subtransactions) or ()))

    def committed(self, snapshot: Snapshot) -> list[CommittedTransaction]:
        """Return the committed transactions that a snapshot does not show, by number."""
        newer = self._order[bisect_left(self._order, snapshot.xmin) :]
        return [self._committed[xid] for xid in newer if xid in self._committed and not snapshot.shows(xid)]

    def take_committed(self) -> list[CommittedTransaction]:
        """Return the committed transactions in the order of their COMMITs, and forget them."""
        taken = list(self._ends)
        for known in (self._committed, self._order, self._ends):
            known.clear()
        return taken

    def clear(self) -> None:
        """Forget everything."""
        for known in (
            self.open,
            self._committed,
            self._order,
            self._ends,
            self._multixacts,
            self._multixact_places,
        ):
            known.clear()

    def forget(self, before: int) -> None:
        """Drop transactions that have committed before a position, and MultiXacts that no open one can use.

        At most 5,000 at a time, in 2 ms: the rest is dropped at the next calls.
        """
        for _ in range(_MOST_FORGOTTEN):
            if not self._ends or self._ends[0].lsn >= before:
                break
            del self._committed[self._ends.popleft().xid]
        gone = next((i for i, xid in enumerate(self._order) if xid in self._committed), len(self._order))
        del self._order[:gone]  # all at once: one by one would take quadratic time
        while self._multixact_places and self._multixact_places[0][0] < before:
            number = self._multixact_places[0][1]
            if any(member in self.open for member, _ in self._multixacts[number]):
                break
            self._multixact_places.popleft()
            del self._multixacts[number]

    def _known(self, xid: int) -> OpenTransaction | None:
        transaction = self.open.get(xid % _NUMBERS)
        return transaction if transaction is not None and transaction.xid == xid else None
