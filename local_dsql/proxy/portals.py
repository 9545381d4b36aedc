"""Keeps portals usable when a transaction is suspended and resumed: a rollback to the savepoint closes them.

The remaining rows of a portal that has been executed are read before the rollback, and the proxy serves them from
then on. A portal that has only been bound is bound again after the resumption.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import BackendMessage, FrontendMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.wire.backend import Backend
    from local_dsql.wire.frames import Frame


class Portals:
    """The portals of one session's transaction.

    Portals that an execution binds or executes are *fresh* until PostgreSQL has run it: a transaction resumed before
    that must not bind them, as their statements may not have been parsed yet.
    """

    __slots__ = ("_begun", "_bound", "_executed", "_finished", "_fresh", "drained")

    def __init__(self) -> None:
        self._bound: dict[bytes, bytes] = {}
        self._begun: set[bytes] = set()
        self.drained: dict[bytes, deque[Frame]] = {}
        """Remaining rows, by portal, that the proxy serves because PostgreSQL no longer has them."""
        self._finished: set[bytes] = set()
        self._fresh: set[bytes] = set()
        self._executed: dict[bytes, int] = {}

    @property
    def fresh(self) -> Iterable[bytes]:
        """The portals that have been bound since the last execution."""
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
        """Return whether a portal has been executed."""
        return portal in self._begun or portal in self._finished

    def keep_fresh(self) -> None:
        """Keep what was noted since the last execution: PostgreSQL has done it."""
        self._fresh.clear()
        for portal, limit in self._executed.items():
            (self._begun if limit else self._finished).add(portal)
        self._executed.clear()

    def forget_fresh(self) -> None:
        """Forget what was noted since the last execution: PostgreSQL has not done it."""
        for portal in self._fresh:
            self._bound.pop(portal, None)
        self._fresh.clear()
        self._executed.clear()

    def closed(self, portal: bytes) -> None:
        """Note that a portal is closed."""
        self._bound.pop(portal, None)
        self._begun.discard(portal)
        self._finished.discard(portal)
        self.drained.pop(portal, None)
        self._fresh.discard(portal)
        self._executed.pop(portal, None)

    def bind_of(self, portal: bytes) -> bytes:
        """Return the Bind that created a portal, empty if there is no such portal."""
        return self._bound.get(portal, b"")

    def clear(self) -> None:
        """Forget all portals: the transaction has ended."""
        if self._bound:
            self._bound.clear()
            self._begun.clear()
            self._finished.clear()
            self.drained.clear()
            self._fresh.clear()
        self._executed.clear()

    async def drain(self, backend: Backend) -> None:
        """Read the remaining rows of every portal that has been executed; the backend's lock must be held."""
        for portal in self._begun - self._finished - self.drained.keys():
            (response,) = await backend.request(messages.execute(portal) + messages.SYNC)
            self.drained[portal] = deque(response.frames)

    async def bind_again(self, backend: Backend) -> None:
        """Bind portals again that have not been executed; the backend's lock must be held."""
        for portal in self._bound.keys() - self._begun - self._finished - self._fresh:
            await backend.request(self._bound[portal] + messages.SYNC)

    def serve(self, kind: bytes, raw: bytes) -> bytes | None:
        """Return the response to an Execute of a drained portal; None for other messages and portals."""
        if kind != FrontendMessage.EXECUTE:
            return None
        portal, limit = messages.execute_parts(raw)
        rows = self.drained.get(portal)
        if rows is None:
            return None
        taken: list[bytes] = []
        while rows and rows[0][0] != BackendMessage.COMMAND_COMPLETE and (not limit or len(taken) < limit):
            taken.append(rows.popleft()[1])
        last = messages.SUSPENDED
        if rows and rows[0][0] == BackendMessage.COMMAND_COMPLETE:
            last = rows[0][1]
            if last[BODY:].startswith(b"SELECT "):  # it counts the rows of this Execute alone
                last = messages.command_complete(f"SELECT {len(taken)}")
        return b"".join(taken) + last
