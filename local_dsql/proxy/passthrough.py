"""Pass statements that write no rows to PostgreSQL, and send responses to the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsql_dialect import Statement
    from local_dsql.proxy.engine_session import EngineSession
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.wire.end_finder import EndFinder

_FAIL = messages.parse(b"fail", b"local_dsql_fail") + messages.SYNC
"""Fails, and leaves the unnamed statement alone."""

_READY_SIZE = len(messages.READY[messages.IDLE])


class Passthrough:
    """Passes statements of one session on. Methods that take a statement return whether it succeeded."""

    def __init__(self, session: ClientSession, engine: EngineSession) -> None:
        self._session = session
        self._backend = session.backend
        self._engine = engine
        self.parsed = 0
        """The number of Parse of the last statement that PostgreSQL has accepted."""
        self.defers_completion = False
        """True if the statement is the last of a Query: its CommandComplete is sent after the implicit COMMIT."""
        self._deferred_completion = b""

    async def forward(self, execution: StatementExecution, warning: bytes = b"") -> bool:
        """Send a statement that writes no rows, and its whole response; add `warning` if it succeeds."""
        while await self._ensure_active():
            if self._engine.ddl_is_open:
                return await self._forward_exclusively(execution, warning)
            async with self._backend.lock:
                if self._engine.is_overtaken:
                    continue
                (response,) = await self._backend.request(execution.request(), bulk=True)
            return self.send_response(_with_warning(execution.client_response(response), warning))
        return False

    async def forward_preparation(self, execution: StatementExecution) -> bool:
        """Send Parse, Bind and Describe of COMMIT or ROLLBACK, in any state of the transaction."""
        async with self._backend.lock:
            (response,) = await self._backend.request(execution.request())
        return self.send_response(execution.client_response(response))

    async def forward_failed(self, execution: StatementExecution) -> bool:
        """Make PostgreSQL's transaction fail, then send what neither reads nor writes.

        PostgreSQL's transaction has not failed if the proxy refused a statement, or released the locks.
        """
        async with self._backend.lock:
            _, response = await self._backend.request(_FAIL + execution.request(), 2)
        response = execution.client_response(response)
        if (fields := response.error) is not None and fields["C"] == errors.ABORTED.sqlstate:
            aborted = (BackendMessage.ERROR_RESPONSE, errors.ABORTED.encode())
            response = Response([*response.frames[:-1], aborted], response.status)
        return self.send_response(response)

    async def _forward_exclusively(self, execution: StatementExecution, warning: bytes = b"") -> bool:
        """Send a read while a change of the catalog is not committed, for which it might wait."""
        async with self._engine.exclusive() as held:
            if (refusal := await held.resume()) is not None:
                return self._session.refuse(refusal)
            response = await held.request(execution.request())
        return self.send_response(_with_warning(execution.client_response(response), warning))

    async def configure(self, execution: StatementExecution, statement: Statement) -> bool:
        """Run SET or a similar statement; in a transaction it is noted, to be repeated after a suspension."""
        session = self._session
        transaction = session.transaction
        alone = transaction is not None and transaction.implicit and not execution.simple
        if not await self.forward(execution, errors.no_block(statement) if alone else b""):
            return False
        if transaction is not None and statement.node in ("VariableSet", "ConstraintsSet"):
            transaction.settings.append(statement.text)
        if statement.node == "Deallocate":
            session.statements.forget_all()
        return True

    async def read(self, execution: StatementExecution) -> bool:
        """Run a plain read, relaying its response as it arrives."""
        while await self._ensure_active():
            if self._engine.ddl_is_open:
                return await self._forward_exclusively(execution)
            if self._sends_more or execution.offset:
                return await self.forward(execution)
            async with self._backend.lock:
                if self._engine.is_overtaken:
                    continue
                end = await self._relay(execution)
            self.parsed = end.parsed
            return self._session.fail() if end.failed else True
        return False

    async def _relay(self, execution: StatementExecution) -> EndFinder:
        done: asyncio.Future[EndFinder] = asyncio.get_running_loop().create_future()
        prefix = messages.PARSE_COMPLETE if execution.borrowed_parse else b""
        self._backend.relay(
            execution.request(), _WithoutReady(self._session.client.send, prefix), done.set_result
        )
        return await done

    async def _ensure_active(self) -> bool:
        """Resume the transaction if suspended; return False if it cannot be resumed."""
        if self._engine.is_active:
            return True
        async with self._engine.exclusive() as held:
            refusal = await held.resume()
        return True if refusal is None else self._session.refuse(refusal)

    async def reset_settings(self) -> None:
        """Reset the parameters that the failed transaction has set, so that the client is told their values."""
        transaction = self._session.transaction
        if transaction is not None and transaction.settings:
            transaction.settings.clear()
            async with self._backend.lock:
                await self._engine.roll_back_to_base()

    # responses

    def send_response(self, response: Response) -> bool:
        """Send PostgreSQL's response to the client; return whether it is no error."""
        frames = response.frames
        self.parsed = sum(kind == BackendMessage.PARSE_COMPLETE for kind, _ in frames)
        completes = bool(frames) and frames[-1][0] == BackendMessage.COMMAND_COMPLETE
        if self.defers_completion and completes and self._commits_with_statement:
            self._deferred_completion, frames = frames[-1][1], frames[:-1]
        self._session.client.send(b"".join([raw for _, raw in frames]))
        return True if response.error is None else self._session.fail()

    def take_deferred_completion(self) -> bytes:
        """Return the deferred CommandComplete, empty if there is none, and defer no more."""
        deferred, self._deferred_completion, self.defers_completion = self._deferred_completion, b"", False
        return deferred

    @property
    def _sends_more(self) -> bool:
        """True if messages may have to be sent between the response and ReadyForQuery."""
        transaction = self._session.transaction
        if self._backend.parameters or (transaction is not None and transaction.settings):
            return True
        return self.defers_completion and self._commits_with_statement

    @property
    def _commits_with_statement(self) -> bool:
        transaction = self._session.transaction
        return transaction is not None and transaction.implicit and not transaction.reads_only


def _with_warning(response: Response, warning: bytes) -> Response:
    """Return a response that succeeded with a warning before its last frame."""
    if not warning or response.error is not None:
        return response
    frames = response.frames
    return Response([*frames[:-1], (BackendMessage.NOTICE_RESPONSE, warning), *frames[-1:]], response.status)


class _WithoutReady:
    """Relays a response without a given prefix and without ReadyForQuery at its end.

    The prefix is shorter than any response, so it arrives with the bytes that are held back for ReadyForQuery.
    """

    def __init__(self, send: Callable[[bytes], None], prefix: bytes = b"") -> None:
        self._send = send
        self._prefix = prefix
        self._held = b""

    def __call__(self, data: bytes) -> None:
        data = self._held + data
        if self._prefix and len(data) > len(self._prefix):
            data = data.removeprefix(self._prefix)
            self._prefix = b""
        self._held = data[-_READY_SIZE:]
        self._send(data[:-_READY_SIZE])
