"""One client session: relay plain reads, pass all other batches to the protocol handler.

Most statements of an application are plain reads. Two callbacks of the event loop relay their bytes to PostgreSQL and
the response to the client, without a task. So do exchanges (`exchanger`) with prepared writes, and with Queries that
write, begin or commit, while nothing unusual happens. Other batches that lock, change or control something are
processed by `QueryProtocol` in a task, and so are all batches while a transaction is in an unusual state.

| batch | path |
|---|---|
| Bind, Describe, Execute, Sync of a statement that PostgreSQL has accepted | `try_usual`, `_try_prepared`: uncut |
| - a plain read | `_relay`, then `_on_prepared_relayed` |
| - a write, BEGIN or COMMIT | `Exchanger.try_prepared`, then `end` |
| Query | `try_usual`, `_try_query`: uncut |
| - a plain read | `_relay`, then `_on_relayed` |
| - a write, BEGIN or COMMIT | `Exchanger.try_query`, then `end` |
| any other batch, and one that arrives in parts or while another is in progress | `receive`, `_begin`: in frames |
| - with a long text | `_parse_and_process` in a task, then `_on_processed` |
| - plain reads only | `_relay_batch`, `_relay`, then `_on_relayed` |
| - one write, BEGIN or COMMIT | `_exchange_batch`, `Exchanger.try_batch` or `try_query`, then `end` |
| - the rest, and each of the above that cannot begin | `process` in a task, then `_on_processed` |
| Terminate | `_close` |

An exchange that gets an unusual answer continues as a task by `run`. A relay or an exchange for whose transaction
another session waits ends with `_give_way` in a task. Both end with `_on_processed`.

The dispatcher must know which statement a message refers to, as PostgreSQL does. So each batch goes through
`PreparedStatements` in two steps: *register* records the definitions of its messages before they are sent, and after
the response *keep* makes those valid that PostgreSQL has accepted. *Forget* undoes a registration of a batch that is
not relayed; the protocol handler then registers its messages again.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

from local_dsql.engine.suspend import give_way
from local_dsql.engine.unblock import begin_watch, end_watch
from local_dsql.parsing.long_texts import TooComplex, is_long
from local_dsql.proxy import errors
from local_dsql.proxy.exchanger import Exchanger, is_query
from local_dsql.proxy.executor import Executor
from local_dsql.proxy.local_statements import LocalStatements
from local_dsql.proxy.message_queue import MessageQueue
from local_dsql.proxy.passthrough import Passthrough
from local_dsql.proxy.plain_reads import PlainReads
from local_dsql.proxy.prepared_statements import PreparedStatements
from local_dsql.proxy.protocol import QueryProtocol
from local_dsql.proxy.session import ClientSession
from local_dsql.proxy.transaction_control import TransactionControl
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import EXTENDED, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from local_dsql.engine.session import HeldSession
    from local_dsql.proxy.connection import ClientConnection
    from local_dsql.proxy.server_context import ServerContext
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.end_finder import EndFinder
    from local_dsql.wire.frames import Frame
    from local_dsql.wire.messages import ServerMessage

_WHOLE = (FrontendMessage.SYNC, FrontendMessage.QUERY)

_PREPARED_READ = messages.describe(ObjectKind.PORTAL) + messages.execute() + messages.SYNC
"""The messages after Bind with which drivers run a prepared statement."""

_BIND = FrontendMessage.BIND[0]
_LENGTH = struct.Struct("!I").unpack_from
_AROUND_BIND = 1 + len(_PREPARED_READ)
"""Bytes of the batch that the length in Bind does not count."""


class Dispatcher:
    """Dispatches the messages of one logged-in client, and owns all objects of its session."""

    def __init__(self, context: ServerContext, client: ClientConnection, backend: Backend, role: str) -> None:
        self._client = client
        self._backend = backend
        self._services = context.engine.services
        self._leave = context.engine.leave
        self._long_texts = context.long_texts
        self._statements = PreparedStatements(context.profile)
        self._portals = self._statements.portals
        self._engine = context.engine.join(backend, role, context.region, self._portals)
        self._session = ClientSession(client, self._engine, self._statements)
        self._queue = MessageQueue(client)
        passthrough = Passthrough(self._session)
        self._control = TransactionControl(self._session, passthrough, context.commit_latency)
        executor = Executor(self._session, passthrough, self._control, self._queue)
        local = LocalStatements(self._session, passthrough, self._control, context.job_committed)
        self._protocol = QueryProtocol(
            self._session, self._queue, passthrough, self._control, executor, local
        )
        self._reads = PlainReads(self._session, self._services.catalog, self._protocol)
        self._exchanger = Exchanger(self._session, self._protocol, self._control, self)
        self._held: HeldSession | None = None
        self._busy = True
        self._task: asyncio.Task[None] | None = None
        self._expired = False
        self._age: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Send the first ReadyForQuery."""
        self._backend.on_lost = self.backend_lost
        self._backend.on_async_message = self._client.send
        self._session.start()
        loop = asyncio.get_running_loop()
        self._age = loop.call_later(self._services.limits.connection_age, self._expire)
        self._client.send(messages.READY[messages.IDLE])
        self._busy = False

    def _expire(self) -> None:
        self._expired = True
        self._close_if_expired()

    def _close_if_expired(self) -> None:
        """Close a connection that is older than the limit, unless it is in a transaction."""
        if self._expired and not self._busy and self._session.transaction is None:
            self._close()

    # input

    def receive(self, frames: list[Frame]) -> None:
        """Process frames from the client."""
        if not self._busy and not self._queue.frames and _is_one_batch(frames):
            self._begin(frames)  # nearly always: the queue is not needed
            return
        self._queue.push(frames, busy=self._busy)
        self._next()

    def _next(self) -> None:
        """Begin with the next whole batch, if any, unless another is in progress."""
        while not self._busy and (batch := self._queue.next_batch()):
            if batch[-1][0] == FrontendMessage.TERMINATE:
                self._close()
            else:
                self._begin(batch)

    def _begin(self, batch: list[Frame]) -> None:
        self._busy = True
        texts = [text for kind, raw in batch if is_long(raw) and (text := _text(kind, raw))]
        if texts:
            self.run(self._parse_and_process(texts, batch))
            return
        if not (self._relay_batch(batch) or self._exchange_batch(batch)):
            self.process(batch)

    def _exchange_batch(self, batch: list[Frame]) -> bool:
        if len(batch) > 1:
            return self._exchanger.try_batch(batch)
        raw = batch[0][1]
        return is_query(raw) and self._exchanger.try_query(self._statements.parse(raw[BODY:-1]), raw)

    def process(self, batch: list[Frame]) -> None:
        """Process a batch in a task."""
        self.run(self._protocol.process(batch))

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Run the rest of the work on a batch as a task."""
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._on_processed)

    async def _parse_and_process(self, texts: list[bytes], batch: list[Frame]) -> None:
        """Process a batch after its long texts have been parsed elsewhere."""
        try:
            for text in texts:
                await self._statements.parse_ahead(text, self._long_texts)
            await self._protocol.process(batch)
        except TooComplex as error:
            raise errors.CloseConnection(errors.TOO_COMPLEX) from error
        finally:
            self._statements.forget_ahead()

    def _on_processed(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if self._engine.answered is not None:
            # An exchange has left its answer, with the lock, to the task that has ended now. A message was refused
            # before `Executor` took both over (`exclusive_after_exchange`), so no coroutine holds the lock.
            self._engine.answered = None
            self._engine.release()
        error = task.exception()
        if error is None:
            self._busy = False
            self._next()
            self._close_if_expired()
        elif isinstance(error, errors.CloseConnection):
            self._close(error.last)
        elif isinstance(error, ConnectionLost):
            self.backend_lost()
        else:
            self._close(errors.internal(error))
            raise error

    # the usual batches

    def try_usual(self, data: bytes) -> bool:
        """Process one of the most frequent batches without cutting it into frames.

        They are the execution of a prepared statement, and a Query that is a plain read, a write, BEGIN or COMMIT.

        Returns:
            Whether `data` was such a batch and is sent to PostgreSQL; if not, nothing has been done.
        """
        if self._busy or self._queue.frames or not data:
            return False
        if data[0] == _BIND:
            return self._try_prepared(data)
        if not is_query(data):
            return False
        begun = self._try_query(data)
        self._busy = begun
        return begun

    def _try_prepared(self, data: bytes) -> bool:
        if not data.endswith(_PREPARED_READ) or data[5]:
            return False  # other messages, or a named portal
        if _LENGTH(data, 1)[0] != len(data) - _AROUND_BIND:
            return False  # several messages
        query = self._statements.accepted(data[6 : data.index(0, 6)])
        if query is None:
            return False
        if query.writes or query.control:
            begun = self._exchanger.try_prepared(query, data, _PREPARED_READ)
            self._busy = begun
            return begun
        if not self._reads.can_relay(query):
            return False
        held = self._engine.try_exclusive()
        if held is None:
            return False
        self._busy = True
        if self._engine.transaction is not None:
            self._statements.register_read(query)
        self._relay(held, data, self._on_prepared_relayed)
        return True

    def _try_query(self, data: bytes) -> bool:
        if is_long(data):
            return False
        query = self._statements.parse(data[BODY:-1])
        if query.control or query.writes:
            return self._exchanger.try_query(query, data)
        if not self._reads.can_relay(query):
            return False
        held = self._engine.try_exclusive()
        if held is None:
            return False
        self._statements.forget_by_query(query)
        self._relay(held, data, self._on_relayed)
        return True

    def _relay_batch(self, batch: list[Frame]) -> bool:
        """Relay a batch of plain reads; return whether it was one. If not, none of its messages is registered."""
        if not self._reads.register(batch):
            return False
        held = self._engine.try_exclusive()
        if held is None:
            self._statements.forget_batch()
            return False
        self._relay(held, b"".join([raw for _, raw in batch]), self._on_relayed)
        return True

    def _relay(self, held: HeldSession, data: bytes, at_end: Callable[[EndFinder], None]) -> None:
        self._held = held
        begin_watch(self._engine)
        try:
            self._backend.relay(data, self._client.send, at_end)
        except ConnectionLost:
            self.backend_lost()

    def _on_prepared_relayed(self, end: EndFinder) -> None:
        if end.failed:
            self._session.fail()
        self._end_relay()

    def _on_relayed(self, end: EndFinder) -> None:
        self._statements.keep_batch(end.parsed if end.failed else None)
        if end.failed:
            self._session.fail()
        if self._session.transaction is None:
            self._statements.forget_portals()
        self._end_relay()

    def _end_relay(self) -> None:
        held, self._held = self._held, None
        assert held is not None
        self.end(held)

    def end(self, held: HeldSession) -> None:
        """End a relay or an exchange: suspend the transaction if another session waits for it, and continue."""
        engine = self._engine
        end_watch(engine)
        if engine.cancelling is not None or (engine.transaction is not None and held.must_give_way):
            self.run(_give_way(held))
            return
        engine.release()
        self._busy = False
        if self._queue.frames:
            self._next()
        if self._expired:
            self._close_if_expired()

    # output

    def pause_output(self) -> None:
        """Stop reading from PostgreSQL: the client reads too slowly."""
        self._backend.pause_reading()

    def resume_output(self) -> None:
        """Resume reading from PostgreSQL."""
        self._backend.resume_reading()

    # end

    def backend_lost(self) -> None:
        """Close the session: its connection to PostgreSQL is lost."""
        self._client.close(errors.DATABASE_STOPPED)

    def _close(self, last: ServerMessage | None = None) -> None:
        """Close the client's connection and drop all other messages that it has sent."""
        self._busy = True
        self._client.close(last)
        self.connection_lost()

    def connection_lost(self) -> None:
        """Drop the transaction and the backend of a client that has disconnected.

        A task in progress is not cancelled, as it may be using the engine's own connection; it ends when it finds its
        backend closed.
        """
        self._control.close()
        self._queue.close()
        if self._age is not None:
            self._age.cancel()
        end_watch(self._engine)
        self._exchanger.abandon()
        self._backend.on_lost = lambda: None
        self._leave(self._engine)


async def _give_way(held: HeldSession) -> None:
    try:
        await held.session.wait_for_cancellation()
        if held.session.transaction is not None:
            await give_way(held)
    finally:
        held.release()


def _text(kind: bytes, raw: bytes) -> bytes:
    """Return the text in a message, empty if it has none or is malformed."""
    if kind == FrontendMessage.QUERY:
        return raw[BODY:-1]
    if kind != FrontendMessage.PARSE:
        return b""
    try:
        return messages.parse_parts(raw)[1]
    except ValueError:
        return b""


def _is_one_batch(frames: list[Frame]) -> bool:
    """Return whether frames are one whole batch of the usual kind, and no more."""
    if not frames or frames[-1][0] not in _WHOLE:
        return False
    return all(kind in EXTENDED for kind, _ in frames[:-1])
