"""Portals across parking: a rollback to the base closes them, and the client must not notice.

A portal that has been begun is read to its end before the rollback, and the front hands out its rows from then on.
A portal that has only been bound is bound again afterwards.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.proxy.units import Unit
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.frames import Frame


class Portals:
    """The portals of one session's transaction.

    What a unit binds and executes is *fresh* until PostgreSQL has run the unit: a transaction that comes back before
    that must not open its portals, whose statements may not have been parsed yet.
    """

    __slots__ = ("_begun", "_bound", "_drained", "_executed", "_finished", "_fresh")

    def __init__(self) -> None:
        self._bound: dict[bytes, bytes] = {}
        self._begun: set[bytes] = set()
        self._drained: dict[bytes, deque[Frame]] = {}
        self._finished: set[bytes] = set()
        self._fresh: set[bytes] = set()
        self._executed: dict[bytes, int] = {}

    @property
    def any_drained(self) -> bool:
        """Whether the front has rows that PostgreSQL no longer has."""
        return bool(self._drained)

    @property
    def fresh(self) -> Iterable[bytes]:
        """The portals that have been bound since the last unit."""
        return self._fresh

    def bound(self, portal: bytes, raw: bytes) -> None:
        """Note a Bind."""
        self.closed(portal)
        self._bound[portal] = raw
        self._fresh.add(portal)

    def executed(self, portal: bytes, limit: int) -> None:
        """Note an Execute; without a row limit the portal is read to its end."""
        self._executed[portal] = limit

    def has_begun(self, portal: bytes) -> bool:
        """Tell whether a portal has been executed."""
        return portal in self._begun or portal in self._finished

    def keep_fresh(self) -> None:
        """PostgreSQL has done what was noted since the last time."""
        self._fresh.clear()
        for portal, limit in self._executed.items():
            (self._begun if limit else self._finished).add(portal)
        self._executed.clear()

    def forget_fresh(self) -> None:
        """What was noted since the last time has not been done."""
        for portal in self._fresh:
            self._bound.pop(portal, None)
        self._fresh.clear()
        self._executed.clear()

    def closed(self, portal: bytes) -> None:
        """Note that a portal is gone."""
        self._bound.pop(portal, None)
        self._begun.discard(portal)
        self._finished.discard(portal)
        self._drained.pop(portal, None)
        self._fresh.discard(portal)
        self._executed.pop(portal, None)

    def bind_of(self, portal: bytes) -> bytes:
        """Return the Bind that opened a portal; empty if there is no such portal."""
        return self._bound.get(portal, b"")

    def clear(self) -> None:
        """The transaction is over."""
        if self._bound:
            self._bound.clear()
            self._begun.clear()
            self._finished.clear()
            self._drained.clear()
            self._fresh.clear()
        self._executed.clear()

    async def drain(self, backend: Backend) -> None:
        """Read what is left of every portal that has been begun. The backend must be ours to use."""
        for portal in self._begun - self._finished - self._drained.keys():
            execute = messages.frame(b"E", portal + b"\0\0\0\0\0")
            (answer,) = await backend.request(execute + messages.SYNC)
            self._drained[portal] = deque(answer.frames)

    async def bind_again(self, backend: Backend) -> None:
        """Open the portals again that nobody has read from."""
        for portal in self._bound.keys() - self._begun - self._finished - self._fresh:
            await backend.request(self._bound[portal] + messages.SYNC)

    def serve(self, unit: Unit) -> bytes | None:
        """Return the answer to an Execute of a portal that was drained; None if PostgreSQL has it."""
        kind, raw = unit.frames[0]
        if kind != b"E":
            return None
        portal, limit = messages.execute_parts(raw)
        rows = self._drained.get(portal)
        if rows is None:
            return None
        taken: list[bytes] = []
        while rows and rows[0][0] != b"C" and (not limit or len(taken) < limit):
            taken.append(rows.popleft()[1])
        last = messages.SUSPENDED
        if rows and rows[0][0] == b"C":
            last = rows[0][1]
            if last[BODY:].startswith(b"SELECT "):  # its number is that of the rows handed out just now
                last = messages.command_complete(f"SELECT {len(taken)}")
        return b"".join(taken) + last
