"""Keep portals usable across suspend and resume, although a rollback to the savepoint closes them.

Before the rollback, the remaining rows of an executed portal are read, and the proxy serves them afterwards: the
portal is *lost*. A portal that has only been bound is bound again after the transaction is resumed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from local_dsql.engine import savepoints
from local_dsql.engine.answers import passed_on
from local_dsql.engine.errors import CONFLICT
from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import BackendMessage, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.wire.backend import Backend
    from local_dsql.wire.frames import Frame


_LAST = (
    BackendMessage.COMMAND_COMPLETE,
    BackendMessage.EMPTY_QUERY_RESPONSE,
    BackendMessage.ERROR_RESPONSE,
)
_NO_PORTAL = errors.unknown_portal(b"").sqlstate
_DESCRIBED = b"local_dsql_described"
_PIECE = 1000
"""Rows that are read at a time."""
_MOST_BYTES = 16 * 1024 * 1024
"""Bytes of rows that are kept of one portal (divergence `portal-kept-in-part`)."""


class Served(NamedTuple):
    """The answer to an Execute, and whether it is an error."""

    data: bytes
    failed: bool


class Portals:
    """The portals of one session's transaction.

    Portals that an execution binds or executes are *fresh* until PostgreSQL has run it. If a transaction is resumed
    before that, they must not be bound again, because their statements may not have been parsed yet.
    """

    __slots__ = ("_begun", "_bound", "_executed", "_finished", "_fresh", "drained", "lost")

    def __init__(self) -> None:
        self._bound: dict[bytes, bytes] = {}
        self._begun: set[bytes] = set()
        self.drained: dict[bytes, deque[Frame]] = {}
        """Remaining rows, by portal, that the proxy serves because PostgreSQL no longer has them."""
        self.lost: set[bytes] = set()
        """The portals that the client may use, and PostgreSQL no longer has."""
        self._finished: set[bytes] = set()
        self._fresh: set[bytes] = set()
        self._executed: dict[bytes, int] = {}

    @property
    def fresh(self) -> Iterable[bytes]:
        """The portals that have been bound since the last execution."""
        return self._fresh

    def bound(self, portal: bytes, raw: bytes) -> None:
        """Record a Bind."""
        self.closed(portal)
        self._bound[portal] = raw
        self._fresh.add(portal)

    def executed(self, portal: bytes, limit: int) -> None:
        """Record an Execute; without a row limit the portal is read to its end."""
        self._executed[portal] = limit

    def lose(self, portal: bytes) -> None:
        """Record that PostgreSQL does not have a portal that the client may use. The unnamed one is always replaced."""
        if portal:
            self.lost.add(portal)

    def has_begun(self, portal: bytes) -> bool:
        """Return whether a portal has been executed."""
        return portal in self._begun or portal in self._finished

    def keep_fresh(self) -> None:
        """Keep the records since the last execution, because PostgreSQL has run it."""
        self._fresh.clear()
        for portal, limit in self._executed.items():
            (self._begun if limit else self._finished).add(portal)
        self._executed.clear()

    def forget_fresh(self) -> None:
        """Forget the records since the last execution, because PostgreSQL has not run it."""
        for portal in self._fresh:
            self._bound.pop(portal, None)
        self._fresh.clear()
        self._executed.clear()

    def closed(self, portal: bytes) -> None:
        """Record that a portal is closed."""
        if not (self._bound or self._begun or self._finished or self._executed or self.drained):
            return  # those that are fresh are bound
        self._bound.pop(portal, None)
        self._begun.discard(portal)
        self._finished.discard(portal)
        self.drained.pop(portal, None)
        self.lost.discard(portal)
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
            self.lost.clear()
            self._fresh.clear()
        self._executed.clear()

    # local_dsql.engine.portals.PortalKeeper

    async def before_suspend(self, backend: Backend) -> None:
        """Read the remaining rows of every portal that has been executed.

        A portal may be gone if the execution that is undone was its first.
        """
        for portal in self._begun - self._finished - self.drained.keys():
            self.drained[portal] = deque(await _read_rest(backend, portal))
        for portal, limit in self._executed.items():
            if limit and portal not in self._begun and portal not in self.drained:
                frames = await _read_rest(backend, portal)
                if not _is_unknown(frames[0]):
                    self.drained[portal] = deque(frames)
            elif not limit and portal in self._bound:
                self.lost.add(portal)
        self.lost |= self.drained.keys() | (self._finished & self._bound.keys())

    async def after_resume(self, backend: Backend) -> None:
        """Bind portals again that have not been executed."""
        for portal in self._bound.keys() - self._begun - self._finished - self._fresh:
            await backend.request(self._bound[portal] + messages.SYNC)

    def serve(self, kind: bytes, raw: bytes, ending: bytes) -> Served | None:
        """Return the response to an Execute of a lost portal; None for other messages and portals.

        `ending` is the last message of the response if its statement has no more rows.
        """
        if kind != FrontendMessage.EXECUTE:
            return None
        portal, limit = messages.execute_parts(raw)
        frames = self.drained.get(portal)
        if frames is None:
            return Served(ending, failed=False) if ending and portal in self.lost else None
        taken: list[bytes] = []
        rows = 0
        while frames and frames[0][0] not in _LAST and (not limit or rows < limit):
            kind, frame = frames.popleft()
            rows += kind == BackendMessage.DATA_ROW
            taken.append(frame)
        last = messages.SUSPENDED
        # PostgreSQL finds the end of the rows only when it looks for one more.
        if frames and frames[0][0] in _LAST and (not limit or rows < limit):
            kind, last = frames[0]
            tag, _, number = last[BODY:-1].decode(errors="replace").rpartition(" ")
            if kind == BackendMessage.COMMAND_COMPLETE and number.isdigit():
                last = messages.command_complete(f"{tag} {rows}")  # it counts the rows of this Execute alone
        return Served(b"".join(taken) + last, failed=kind == BackendMessage.ERROR_RESPONSE)


def describing(bind: bytes) -> bytes:
    """Return messages that describe a lost portal, given its Bind, which a Parse may precede.

    It is bound once more for that, under another name, and closed.
    """
    *parses, (_, raw) = FrameReader().feed(bind)
    renamed = messages.frame(FrontendMessage.BIND, _DESCRIBED + b"\0" + raw[BODY:].split(b"\0", 1)[1])
    return (
        b"".join([parse for _, parse in parses])
        + renamed
        + messages.describe(ObjectKind.PORTAL, _DESCRIBED)
        + messages.close(ObjectKind.PORTAL, _DESCRIBED)
        + messages.SYNC
    )


def _is_unknown(frame: Frame) -> bool:
    """Return whether a message is the error that PostgreSQL does not know the portal."""
    kind, raw = frame
    return kind == BackendMessage.ERROR_RESPONSE and messages.read_fields(raw)["C"] == _NO_PORTAL


async def _read_rest(backend: Backend, portal: bytes) -> list[Frame]:
    """Return the remaining response to a portal, up to its CommandComplete or an error.

    It is read with the client's rights, after a savepoint that undoes a failure, because the client has not asked for
    these rows yet. At most `_MOST_BYTES` are kept; if the client reads further, the transaction fails with a conflict.
    """
    await backend.request(savepoints.SET_GUARD)
    frames: list[Frame] = []
    size = 0
    while size <= _MOST_BYTES:
        (response,) = await backend.request(messages.execute(portal, _PIECE) + messages.SYNC)
        if response.error is not None:
            await backend.request(savepoints.TO_GUARD)
            response = passed_on(response)
        more = bool(response.frames) and response.frames[-1][0] == BackendMessage.PORTAL_SUSPENDED
        frames += response.frames[:-1] if more else response.frames
        if not more:
            return frames
        size += sum(len(raw) for _, raw in response.frames)
    return [*frames, (BackendMessage.ERROR_RESPONSE, CONFLICT.encode())]
