"""A client's session: which batches pass straight through, and which need thought.

Most of what an application sends is a plain read, and nothing has to be done for it: its bytes go to PostgreSQL, the
answer's bytes go back, within two callbacks of the event loop and without a task. Whatever locks, changes or
controls something, or comes while a transaction is in an unusual state, goes to the `Exchange`, a coroutine.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING

from local_dsql.proxy import errors
from local_dsql.proxy.encodings import codec
from local_dsql.proxy.executor import Work
from local_dsql.proxy.prepared_statements import Names, parses_unnamed, refers_to_unnamed
from local_dsql.proxy.protocol import Exchange
from local_dsql.proxy.transaction_control import Transactions
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from local_dsql.occ.commit import Ending
    from local_dsql.occ.transaction import Transaction
    from local_dsql.proxy.connection import ClientConnection
    from local_dsql.proxy.parse_cache import Planned
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.end_finder import EndFinder
    from local_dsql.wire.frames import Frame
    from local_dsql.wire.messages import ServerMessage

_MOST_WAITING = 1024 * 1024
_COPY = b"dcf"
_WITHIN = frozenset((b"P", b"B", b"D", b"E", b"C"))
_MORE = frozenset((*_WITHIN, b"d", b"c", b"f"))
"""Messages after which a client goes on; any other is the end of a batch."""

_WHOLE = (b"S", b"Q")
_IN_ORDER = re.compile(b"C*P?[BD]*E?S").fullmatch
"""Batches of which PostgreSQL's answer tells what has been done of them: how often there was a ParseComplete."""

_PREPARED_READ = messages.frame(b"D", b"P\0") + messages.frame(b"E", b"\0\0\0\0\0") + messages.SYNC
"""What follows the Bind where a driver runs a prepared statement: describe the portal, execute it, Sync."""

_BIND = b"B"[0]


class Session:
    """One logged-in client and its backend connection."""

    def __init__(self, client: ClientConnection, backend: Backend, role: str) -> None:
        self.client = client
        self.backend = backend
        self.role = role
        self.front = client.endpoint.front
        self.engine = self.front.engine
        self.names = Names(self.front.profile)
        self.transaction: Transaction | None = None
        self.ending: Ending | None = None
        self._waiting: deque[Frame] = deque()
        self._waiting_bytes = 0
        self._paused = False
        self._complete = 0
        self._busy = True
        self._task: asyncio.Task[None] | None = None
        self._arrival: asyncio.Future[None] | None = None
        self.region = client.endpoint.region
        self.transactions = Transactions(self)
        self.work = Work(self)
        self._exchange = Exchange(self)
        self._expired = False
        self._age: asyncio.TimerHandle | None = None
        self._told: dict[str, str] = {}

    def start(self) -> None:
        """Say that the client may begin."""
        self.backend.on_lost = lambda: self.client.close(errors.DATABASE_STOPPED)
        self.backend.on_async_message = self.client.send
        self._told |= self.backend.parameters
        self.note_encoding()
        self.backend.parameters.clear()
        self.engine.join(self)
        loop = asyncio.get_running_loop()
        self._age = loop.call_later(self.engine.limits.connection_age, self._too_old)
        self.client.send(messages.READY[messages.IDLE])
        self._busy = False

    def _too_old(self) -> None:
        self._expired = True
        self._retire()

    def _retire(self) -> None:
        """Close a connection that is too old, once it is not in a transaction."""
        if self._expired and not self._busy and self.transaction is None:
            self.client.close()
            self.lost()

    @property
    def label(self) -> str:
        """Who it is, for the conflict log: role, Region and PostgreSQL's process number."""
        return f"{self.role}@{self.region}#{self.backend.pid}"

    @property
    def status(self) -> bytes:
        """The transaction status that ReadyForQuery tells."""
        transaction = self.transaction
        if transaction is None or transaction.implicit:
            return messages.IDLE
        return messages.FAILED if transaction.failed else messages.IN_TRANSACTION

    def parameter_changes(self) -> bytes:
        """Return what the client does not know yet of parameters; PostgreSQL too reports them before ReadyForQuery.

        What a rollback and a COMMIT take back is among it. What parking takes back is not: it has been set again.
        """
        reported = self.backend.parameters
        if not reported:
            return b""
        self.note_encoding()
        changed = reported.items() - self._told.items()
        self._told |= reported
        reported.clear()
        return b"".join(messages.parameter_status(name, value) for name, value in changed)

    def note_encoding(self) -> None:
        """Read from here on what the client sends in the encoding that it has chosen."""
        if (encoding := self.backend.parameters.get("client_encoding")) is not None:
            self.names.codec = codec(encoding)

    # what the client sends

    def receive(self, frames: list[Frame]) -> None:
        """Take frames from the client."""
        if not self._busy and not self._waiting and _is_one_batch(frames):
            self._begin(frames)  # nearly always: no queue needed
            return
        for frame in frames:
            kind, raw = frame
            if kind == b"X" and not self._busy and not self._waiting:
                self.client.close()
                self.lost()
                return
            self._waiting.append(frame)
            self._waiting_bytes += len(raw)
            self._complete += kind not in _MORE
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
        if self._waiting_bytes > _MOST_WAITING and (self._busy and not self._arrival) and not self._paused:
            self._paused = True
            self.client.pause_reading()
        self._next()

    async def next_copy_frame(self) -> Frame:
        """Return the client's next frame, of a COPY or otherwise, waiting for it."""
        while not self._waiting:
            self._arrival = asyncio.get_running_loop().create_future()
            self._resume()
            await self._arrival
            self._arrival = None
        return self._take()

    def _take(self) -> Frame:
        frame = self._waiting.popleft()
        self._waiting_bytes -= len(frame[1])
        self._complete -= frame[0] not in _MORE
        return frame

    def put_back(self, frames: list[Frame]) -> None:
        """Take the rest of a batch for frames that have not been looked at: a COPY reads on from here."""
        self._waiting.extendleft(reversed(frames))
        self._waiting_bytes += sum(len(raw) for _, raw in frames)
        self._complete += sum(kind not in _MORE for kind, _ in frames)

    def hang_up(self, last: ServerMessage | None = None) -> None:
        """Leave the client, and whatever else it has sent."""
        self._waiting.clear()
        self._complete = self._waiting_bytes = 0
        self.client.close(last)
        self.lost()

    def _resume(self) -> None:
        if self._paused and self._waiting_bytes <= _MOST_WAITING:
            self._paused = False
            self.client.resume_reading()

    def _next(self) -> None:
        """Begin with the next whole batch, if there is one and nothing is under way."""
        while self._complete and not self._busy:
            batch = self._cut()
            if batch:
                self._begin(batch)
        self._resume()

    def _cut(self) -> list[Frame]:
        batch: list[Frame] = []
        while True:
            frame = self._take()
            if frame[0] == b"X":
                self.hang_up()
                self._busy = True
                return []
            if (
                batch or frame[0] not in _COPY
            ):  # left over from a COPY that failed, or for one that this batch begins
                batch.append(frame)
            if frame[0] not in _MORE:
                return batch

    def _begin(self, batch: list[Frame]) -> None:
        self._busy = True
        if self._passes(batch):
            if self.backend.lock.try_acquire():
                self._relay(batch)
                return
            self.names.forget_batch()
        self._task = asyncio.get_running_loop().create_task(self._exchange.run(batch))
        self._task.add_done_callback(self._exchanged)

    def _exchanged(self, task: asyncio.Task[None]) -> None:
        self._task = None
        error = task.exception()
        if isinstance(error, ConnectionLost):
            self.client.close(errors.DATABASE_STOPPED)
        elif error is not None:
            self.client.close(errors.internal(error))
            self.lost()
            raise error
        else:
            self._busy = False
            self._next()
            self._retire()

    # what passes straight through

    def pass_prepared(self, data: bytes) -> bool:
        """Pass on the commonest batch of all, the execution of a prepared read, without taking it apart.

        Returns:
            Whether `data` was just that, and nothing stood in its way; if not, nothing has been done.
        """
        if not data.endswith(_PREPARED_READ) or data[0] != _BIND or self._busy or self._waiting:
            return False
        if int.from_bytes(data[1:5], "big") != len(data) - len(_PREPARED_READ) - 1 or data[5]:
            return False  # several messages, or a portal with a name
        if self.engine.altering or self._exchange.skipping or self.names.portals.any_drained:
            return False
        transaction = self.transaction
        if transaction is not None and not self.engine.untroubled(transaction):
            return False
        planned = self.names.prepared(data[6 : data.index(0, 6)])
        if planned is None or not self._plain(planned) or not self.backend.lock.try_acquire():
            return False
        self._busy = True
        if transaction is not None:
            self.names.read_at_once(planned)
        try:
            self.backend.relay(data, self.client.send, self._passed)
        except ConnectionLost:
            self.client.close(errors.DATABASE_STOPPED)
        return True

    def _passed(self, end: EndFinder) -> None:
        if end.failed:
            self.work.fail()
        self.backend.lock.release()
        self._busy = False
        if self._waiting:
            self._next()

    def _passes(self, batch: list[Frame]) -> bool:
        """Tell whether nothing has to be done for a batch but to pass it on."""
        transaction = self.transaction
        if transaction is not None and not self.engine.untroubled(transaction):
            return False
        if self.engine.altering or self._exchange.skipping or self.names.portals.any_drained:
            return False
        if batch[0][0] == b"Q":
            return len(batch) == 1 and self._plain_query(batch[0][1])
        if batch[-1][0] != b"S":
            return False
        try:
            return self._plain_extended(batch)
        except ValueError:  # a message is malformed
            self.names.forget_batch()
            return False

    def _plain(self, planned: Planned) -> bool:
        if self.engine.hidden and planned.only is not None and self.engine.hidden.concerns(planned.only):
            return False
        return planned.plain and (self.transaction is None or not planned.outside_transaction)

    def _plain_query(self, raw: bytes) -> bool:
        planned = self.names.plan(raw[5:-1])
        if raw[-1:] != b"\0" or not self._plain(planned):
            return False
        self.names.forget_unnamed()
        if planned.statements:
            self.names.forget_unnamed_portal()
        return True

    def _plain_extended(self, batch: list[Frame]) -> bool:
        kinds = b"".join([kind for kind, _ in batch])
        if not _IN_ORDER(kinds):
            return False  # what has been done when one of them fails is told by the exchange
        parsed = False
        for kind, raw in batch:
            if kind == b"P":
                parsed = parses_unnamed(kind, raw)
            elif not parsed and refers_to_unnamed(kind, raw):
                self.names.forget_batch()
                return False  # the unnamed statement of an earlier batch may be gone
            planned = self.names.note(kind, raw)
            if kind in b"BED" if planned is None else not self._plain(planned):
                self.names.forget_batch()
                return False
            if kind == b"E":
                self.names.portals.executed(*messages.execute_parts(raw))
        return True

    def _relay(self, batch: list[Frame]) -> None:
        data = batch[0][1] if len(batch) == 1 else b"".join([raw for _, raw in batch])
        try:
            self.backend.relay(data, self.client.send, self._relayed)
        except ConnectionLost:
            self.client.close(errors.DATABASE_STOPPED)

    def _relayed(self, end: EndFinder) -> None:
        self.names.keep_batch(end.parsed if end.failed else None)
        if end.failed:
            self.work.fail()
        if self.transaction is None:
            self.names.forget_portals()
        self.backend.lock.release()
        self._busy = False
        self._next()

    async def before_parking(self) -> None:
        """Save what a rollback to the base would lose and no table shows: the rest of begun portals."""
        await self.names.portals.drain(self.backend)

    async def after_resuming(self) -> None:
        """Open the portals again that have only been bound."""
        await self.names.portals.bind_again(self.backend)

    def lost(self) -> None:
        """The client is gone: drop its transaction and its backend.

        An exchange that is under way is not cancelled, as it may be using the front's own connection; it ends by
        itself when it finds its backend gone.
        """
        self.engine.leave(self)
        self.transactions.close()
        if self._age is not None:
            self._age.cancel()
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_exception(ConnectionLost())
        self.backend.on_lost = lambda: None
        if self.backend.lock.locked:
            # PostgreSQL notices a closed connection only when the statement is done, and keeps its locks until then.
            self.engine.terminate(self.backend.pid)
        self.backend.close()


def _is_one_batch(frames: list[Frame]) -> bool:
    """Tell whether frames are one whole batch of the usual kind, and nothing else."""
    if not frames or frames[-1][0] not in _WHOLE:
        return False
    return all(kind in _WITHIN for kind, _ in frames[:-1])
