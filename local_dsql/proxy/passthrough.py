"""Pass statements that write no rows to PostgreSQL, and send responses to the client."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.answers import of_read
from local_dsql.engine.errors import EngineError, lost
from local_dsql.engine.execute import ensure_active, execute
from local_dsql.engine.prepared import forgets
from local_dsql.engine.suspend import give_way
from local_dsql.engine.unblock import ask_unblocked, watched
from local_dsql.proxy import errors
from local_dsql.proxy.portals import describing
from local_dsql.proxy.request_builder import build_request
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dsql_dialect import Statement
    from local_dsql.engine.session import HeldSession
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.wire.end_finder import EndFinder

_log = logging.getLogger(__name__)

_FAIL = messages.parse(b"fail", b"local_dsql_fail") + messages.SYNC
"""Fails, and leaves the unnamed statement alone."""

_DESCRIPTIONS = (BackendMessage.ROW_DESCRIPTION, BackendMessage.NO_DATA)

_TAGS_OF_NO_ROWS = {
    "Select": "SELECT 0",
    "Insert": "INSERT 0 0",
    "Update": "UPDATE 0",
    "Delete": "DELETE 0",
    "Explain": "EXPLAIN",
    "VariableShow": "SHOW",
}
"""The command tag for no rows, by the node of a statement that returns rows."""

_READY_SIZE = len(messages.READY[messages.IDLE])


class ReadResult(enum.Enum):
    """Result of `Passthrough.read`."""

    SUCCEEDED = enum.auto()
    FAILED = enum.auto()
    """The client has received the error."""
    MAY_WRITE = enum.auto()
    """Nothing has been sent: a function that it calls may write, so it must be executed."""


class Passthrough:
    """Passes statements of one session on. Methods that take a statement return whether it succeeded."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._backend = session.backend
        self._engine = session.engine
        self.parsed = 0
        """The number of Parse messages of the last statement that PostgreSQL has accepted."""
        self.completed = False
        """True if the last response ended with CommandComplete. It stays False for a response that was relayed."""
        self.defers_completion = False
        """True if the statement is the last of a Query: its CommandComplete is sent after the implicit COMMIT."""
        self._deferred_completion = b""

    async def ensure_active(self, held: HeldSession) -> bool:
        """Resume the transaction, if any; return False if it cannot go on: the client has received the error."""
        transaction = self._session.transaction
        if transaction is None or transaction.failed:
            return True
        refusal = await ensure_active(held)
        return True if refusal is None else self._session.refuse(refusal)

    async def or_conflict(self, statement: Awaitable[bool]) -> bool:
        """Await a statement of any kind; an error of the engine is a conflict of its transaction."""
        try:
            return await statement
        except EngineError as error:
            _log.warning("a statement ends its transaction", exc_info=True)
            return self._session.refuse(lost(error))

    async def forward(self, execution: StatementExecution, warning: bytes = b"") -> bool:
        """Send a statement that writes no rows, and its whole response; add `warning` if it succeeds."""
        async with self._engine.exclusive() as held:
            return await self.ensure_active(held) and await self._forward(held, execution, warning)

    async def _forward(self, held: HeldSession, execution: StatementExecution, warning: bytes = b"") -> bool:
        (response,) = await ask_unblocked(held, execution.request(), bulk=True)
        answer = of_read(response)
        done = self.send_response(_with_warning(execution.client_response(answer), warning))
        await give_way(held)
        return done

    async def forward_preparation(self, execution: StatementExecution) -> bool:
        """Send Parse, Bind and Describe of COMMIT or ROLLBACK, in any state of the transaction."""
        async with self._engine.exclusive() as held:
            (response,) = await held.ask(execution.request())
            return self.send_response(execution.client_response(response))

    async def forward_failed(self, execution: StatementExecution) -> bool:
        """Make PostgreSQL's transaction fail, then send messages that neither read nor write.

        PostgreSQL's transaction is still active if the proxy itself refused a statement, or has suspended it.
        """
        async with self._engine.exclusive() as held:
            _, response = await held.ask(_FAIL + execution.request(), 2)
        response = execution.client_response(response)
        if (fields := response.error) is not None and fields["C"] == errors.ABORTED.sqlstate:
            aborted = (BackendMessage.ERROR_RESPONSE, errors.ABORTED.encode())
            response = Response([*response.frames[:-1], aborted], response.status)
        return self.send_response(response)

    async def configure(self, execution: StatementExecution, statement: Statement) -> bool:
        """Run SET or a similar statement; in a transaction the engine replays it after a suspension."""
        session = self._session
        transaction = session.transaction
        alone = transaction is not None and transaction.implicit and not execution.simple
        warning = errors.no_block(statement) if alone else b""
        if transaction is not None and statement.node in ("VariableSet", "ConstraintsSet"):
            request = build_request(execution, statement, session.statements)
            async with self._engine.exclusive() as held:
                is_unused = statement.node == "VariableSet" and not held.has_run_statements
                response = await execute(held, request)
                if is_unused:
                    transaction.unused_until = time.monotonic()
            return self.send_response(_with_warning(execution.client_response(response), warning))
        if not await self.forward(execution, warning):
            return False
        if statement.node == "Deallocate":
            session.statements.forget_all()
        if forgets(statement):
            self._engine.prepared = False
        return True

    async def read(self, execution: StatementExecution, *, unchecked: bool) -> ReadResult:
        """Run a plain read, relaying its response as it arrives.

        `unchecked`: it calls no function that may write, so the result is never MAY_WRITE.
        """
        async with self._engine.exclusive() as held:
            if not await self.ensure_active(held):
                return ReadResult.FAILED
            done = self.serve(execution)
            if done is None and not unchecked and await self._may_write(held, execution.statement):
                return ReadResult.MAY_WRITE
            if done is None and (self._sends_more or execution.offset):
                done = await self._forward(held, execution)
            elif done is None:
                end = await self._relay(held, execution)
                self.parsed = end.parsed
                done = self._session.fail() if end.failed else True
                await give_way(held)
            return ReadResult.SUCCEEDED if done else ReadResult.FAILED

    async def _may_write(self, held: HeldSession, statement: Statement | None) -> bool:
        catalog = held.services.catalog
        return await catalog.read_may_write(held, statement, keep=held.sees_current_catalog)

    async def _relay(self, held: HeldSession, execution: StatementExecution) -> EndFinder:
        done: asyncio.Future[EndFinder] = asyncio.get_running_loop().create_future()
        prefix = messages.PARSE_COMPLETE if execution.borrowed_parse else b""
        with watched(held.session):
            self._backend.relay(
                execution.request(),
                _WithoutReady(self._session.client.send, prefix),
                done.set_result,
                lambda: done.set_exception(ConnectionLost()),
            )
            return await done

    def serve(self, execution: StatementExecution) -> bool | None:
        """Send rows of a portal that the proxy has read before a suspension; return None if it has none."""
        ending = _ending_of_no_rows(execution.statement)
        served = self._session.statements.portals.serve(*execution.frames[0], ending)
        if served is None:
            return None
        self._session.client.send(served.data)
        return self._session.fail() if served.failed else True

    async def describe_lost(self, portal: bytes) -> bool:
        """Describe a portal that a suspension has closed, and that the client may use."""
        async with self._engine.exclusive() as held:
            if not await self.ensure_active(held):
                return False
            (response,) = await held.ask(describing(self._session.statements.portals.bind_of(portal)))
            self._session.client.send(
                b"".join([raw for kind, raw in response.frames if kind in _DESCRIPTIONS])
            )
            await give_way(held)
        return True if response.error is None else self._session.refuse(errors.unknown_portal(portal))

    async def reset_settings(self) -> None:
        """Reset the parameters that the failed transaction has set, so that the client is told their values.

        A function of a client can set one, too: then only PostgreSQL's report of the new value shows it.
        """
        transaction = self._session.transaction
        if transaction is None:
            return
        if transaction.replay or transaction.reports_settings or self._backend.parameters:
            transaction.replay.clear()
            transaction.reports_settings = False
            async with self._engine.exclusive() as held:
                await held.ask(savepoints.TO_BASE)
            self._engine.report_withheld()

    # responses

    def send_response(self, response: Response) -> bool:
        """Send PostgreSQL's response to the client; return whether it is no error."""
        frames = response.frames
        self.parsed = sum(kind == BackendMessage.PARSE_COMPLETE for kind, _ in frames)
        self.completed = bool(frames) and frames[-1][0] == BackendMessage.COMMAND_COMPLETE
        if self.defers_completion and self.completed and self._commits_with_statement:
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
        if self._backend.parameters:
            return True
        if transaction is not None and (transaction.replay or transaction.reports_settings):
            return True
        return self.defers_completion and self._commits_with_statement

    @property
    def _commits_with_statement(self) -> bool:
        transaction = self._session.transaction
        return transaction is not None and transaction.implicit


def _ending_of_no_rows(statement: Statement | None) -> bytes:
    """Return what follows the rows of a completed portal that is executed once more; empty if that is an error."""
    if statement is None:
        return messages.EMPTY_QUERY
    tag = _TAGS_OF_NO_ROWS.get(statement.node, "")
    return messages.command_complete(tag) if tag else b""


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
