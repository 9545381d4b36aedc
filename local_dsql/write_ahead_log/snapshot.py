"""Snapshots as `pg_current_snapshot()` prints them: the transactions that a reader sees."""

from __future__ import annotations

from dataclasses import dataclass

_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A `pg_snapshot`, in 64-bit transaction numbers (epoch included) of top-level transactions.

    Attributes:
        xmin: every transaction below has ended.
        xmax: no transaction from here on had begun.
        running: transactions between the two that had not ended.
    """

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Return the snapshot written as `xmin:xmax:running,running`.

        Raises:
            ValueError: the text is no `pg_snapshot`.
        """
        xmin, xmax, running = text.split(":")
        return cls(int(xmin), int(xmax), frozenset(map(int, running.split(","))) if running else _NONE)

    def shows(self, xid: int) -> bool:
        """Return whether the changes of a committed top-level transaction (64 bits) are visible."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)
