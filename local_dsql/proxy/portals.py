"""Keep portals usable across suspend and resume, although a rollback to the savepoint closes them.

Before the rollback, the remaining rows of an executed portal are read, and the proxy serves them afterwards: the
portal is *lost*. A portal that has only been bound is bound again after the transaction is resumed.

The client has not asked for these rows, and others wait for the rollback. So rows are read only where that changes and
locks nothing: rows that PostgreSQL keeps already, and rows of plain reads. The time is limited, too. A client that
reads rows which are not kept gets a conflict (divergence `portal-kept-in-part`).
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from local_dsql.engine import savepoints
from local_dsql.engine.answers import passed_on
from local_dsql.engine.errors import CONFLICT, QUERY_CANCELED, is_raised
from local_dsql.proxy import errors
from local_dsql.proxy.parse_cache import can_read_ahead, is_kept_by_portal
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY, FrameReader
from local_dsql.wire.message_types import BackendMessage, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dsql_dialect import Statement
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
"""Bytes of rows that are kept of one portal."""
_MOST_SECONDS = 0.05
"""Seconds in which the rows of all portals are read: another session waits."""
_NOT_KEPT = (BackendMessage.ERROR_RESPONSE, CONFLICT.encode())


class Served(NamedTuple):
    """The answer to an Execute, and whether it is an error."""

    data: bytes
    failed: bool


class _Bound(NamedTuple):
    """A portal: its Bind, with the Parse of the unnamed statement if it needs that, and its statement."""

    raw: bytes
    statement: Statement | None


class Portals:
    """The portals of one session's transaction.

    Portals that an execution binds or executes are *fresh* until PostgreSQL has run it. If a transaction is resumed
    before that, they must not be bound again, because their statements may not have been parsed yet.
    """

    __slots__ = ("_begun", "_bound", "_executed", "_finished", "_fresh", "drained", "lost")

    def __init__(self) -> None:
        self._bound: dict[bytes, _Bound] = {}
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

    def bound(self, portal: bytes, raw: bytes, statement: Statement | None) -> None:
        """Record a Bind, which the Parse of the unnamed statement may precede."""
        self.closed(portal)
        self._bound[portal] = _Bound(raw, statement)
        self._fresh.add(portal)

    def executed(self, portal: bytes, limit: int) -> None:
        """Record an Execute; without a row limit the portal is read to its end."""
        self._executed[portal] = limit

    def completed(self) -> None:
        """Record that PostgreSQL has sent the last row of the portals executed since the last execution."""
        for portal in self._executed:
            self._executed[portal] = 0
            self.drained.pop(portal, None)

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
        bound = self._bound.get(portal)
        return b"" if bound is None else bound.raw

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

    async def before_suspend(
        self, backend: Backend, *, only_reads: Callable[[Statement], bool], undone: bool
    ) -> None:
        """Read the remaining rows of portals that have been executed, where this changes, locks and awaits nothing.

        The first execution of a portal that is undone binds it again.
        """
        executed = {} if undone else self._executed
        finished = self._finished | {portal for portal, limit in executed.items() if not limit}
        begun = (self._begun | executed.keys()) - finished
        end = time.monotonic() + _MOST_SECONDS
        for portal in (begun & self._bound.keys()) - self.drained.keys():
            statement = self._bound[portal].statement
            if statement is None or not statement.returns_rows:
                finished.add(portal)
            elif is_kept_by_portal(statement) or (can_read_ahead(statement) and only_reads(statement)):
                rest = await _read_rest(backend, portal, end)
                if _is_unknown(rest[0]):
                    finished.add(portal)  # the engine itself has answered its statement
                else:
                    self.drained[portal] = deque(rest)
            else:
                self.drained[portal] = deque([_NOT_KEPT])
        self.lost |= self.drained.keys() | (finished & self._bound.keys())

    async def after_resume(self, backend: Backend) -> None:
        """Bind portals again that have not been executed."""
        for portal in self._bound.keys() - self._begun - self._finished - self._fresh:
            await backend.request(self._bound[portal].raw + messages.SYNC)

    def keep(self, portal: bytes, rest: Sequence[Frame]) -> None:
        """Keep the rest of the response to a portal whose statement the engine has answered, up to CommandComplete."""
        self.drained[portal] = deque(rest)
        self.lost.add(portal)

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


async def _read_rest(backend: Backend, portal: bytes, end: float) -> list[Frame]:
    """Return the remaining response to a portal, up to its CommandComplete or an error.

    It is read with the client's rights until `end` (time.monotonic), after a savepoint that undoes a failure.
    PostgreSQL stops a row that takes longer, or waits for a lock. `_MOST_BYTES` of the rows are kept; a conflict
    follows them if there are more.
    """
    frames: list[Frame] = []
    size = 0
    left = end - time.monotonic()
    if left <= 0:
        return [_NOT_KEPT]
    limit = messages.side_query(f"SET LOCAL statement_timeout = {max(1, round(left * 1000))}")
    await backend.request(savepoints.SET_GUARD + limit, 2)
    more = True
    while more and size <= _MOST_BYTES and time.monotonic() < end:
        (response,) = await backend.request(messages.execute(portal, _PIECE) + messages.SYNC)
        *rows, last = response.frames
        if (error := response.error) is not None:
            stopped = error["C"] == QUERY_CANCELED and not is_raised(error)
            last = _NOT_KEPT if stopped else passed_on(response).frames[-1]
        more = last[0] == BackendMessage.PORTAL_SUSPENDED
        frames += rows if more else [*rows, last]
        size += sum(len(raw) for _, raw in rows)
    await backend.request(savepoints.TO_GUARD)
    return [*frames, _NOT_KEPT] if more else frames


def _is_unknown(frame: Frame) -> bool:
    """Return whether a message is the error that PostgreSQL does not know the portal."""
    kind, raw = frame
    return kind == BackendMessage.ERROR_RESPONSE and messages.read_fields(raw)["C"] == _NO_PORTAL
