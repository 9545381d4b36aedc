"""Execute statements that write or lock rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.proxy.copy_in import after_copy_in, receive_rows, try_copy
from local_dsql.proxy.parameters import SETTABLE
from local_dsql.proxy.replay import build_request
from local_dsql.proxy.row_counter import RowCounter
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import Response
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.proxy.engine_session import EngineSession, ExclusiveAccess, Request
    from local_dsql.proxy.message_queue import MessageQueue
    from local_dsql.proxy.passthrough import Passthrough
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.proxy.transaction_control import TransactionControl


_COPY_BYTES_PER_STORED_BYTE = 4
"""Bytes of COPY data are at most so many times what is stored, unless it can be compressed: `\\ooo` is one byte.

More data is not kept, or a COPY could fill the memory (divergence `copy-runs-at-its-end`).
"""


class WriteExecutor:
    """Executes writing and locking statements of one session, and counts what they change."""

    def __init__(
        self,
        session: ClientSession,
        engine: EngineSession,
        passthrough: Passthrough,
        control: TransactionControl,
        queue: MessageQueue,
    ) -> None:
        self._session = session
        self._engine = engine
        self._passthrough = passthrough
        self._control = control
        self._queue = queue

    async def write(self, execution: StatementExecution, statement: Statement) -> bool:
        """Run a statement that changes or locks rows; return whether it succeeded."""
        session = self._session
        if session.transaction is None and statement.writes and not statement.takes_rows:
            return await self._write_first(execution, statement)
        if session.transaction is None:
            await self._control.begin_implicit()
        rows: list[bytes] = []
        if statement.takes_rows and not await self._receive_rows(execution, rows):
            return session.fail()
        request = build_request(execution, statement, session.statements, rows)
        counter = self._counter(execution, statement)
        async with self._engine.exclusive() as held:
            if (refusal := await held.resume()) is not None:
                return session.refuse(refusal)
            await counter.begin(held)
            response = execution.client_response(await held.run(request))
            if statement.sets_parameters and response.error is None:
                await self._note_parameters(statement)
            changed = await counter.end(response)
            response = await _unless_too_large(held, statement, request, response)
        parsed = self._passthrough.parsed
        if statement.takes_rows:
            response = Response(after_copy_in(response.frames), response.status)
        done = await self._finish(statement, response, changed)
        self._passthrough.parsed = max(self._passthrough.parsed, parsed)
        return done

    async def _write_first(self, execution: StatementExecution, statement: Statement) -> bool:
        """Run the first statement of an implicit transaction in one round trip with its BEGIN."""
        request = build_request(execution, statement, self._session.statements)
        counter = self._counter(execution, statement)
        async with self._engine.exclusive() as held:
            await counter.begin(held)
            response = execution.client_response(await held.begin_and_run(request))
            self._control.start_clock()
            changed = await counter.end(response)
            response = await _unless_too_large(held, statement, request, response)
        return await self._finish(statement, response, changed)

    def _counter(self, execution: StatementExecution, statement: Statement) -> RowCounter:
        in_pieces = execution.has_row_limit or execution.continues_portal
        return RowCounter(self._session.backend, statement, in_pieces=in_pieces)

    async def _receive_rows(self, execution: StatementExecution, rows: list[bytes]) -> bool:
        """Receive the rows of a COPY FROM STDIN; return whether PostgreSQL accepts it and they are not too large."""
        async with self._session.backend.lock, self._engine.trial():
            response = await try_copy(self._session.backend, execution)
        self._passthrough.send_response(execution.client_response(response))
        if response.status:
            return False
        self._session.client.flush(keep_buffering=True)
        received = await receive_rows(
            self._session.client, self._queue, _COPY_BYTES_PER_STORED_BYTE * self._engine.limits.bytes
        )
        if received is None:
            return self._session.refuse(self._engine.size_limit_exceeded())
        rows += received
        return True

    async def _note_parameters(self, statement: Statement) -> None:
        """Note the values of all parameters after a statement that has called set_config(), for a resumption.

        Its arguments may have been any expressions; that it sets for the transaction alone is read from its text.
        """
        local = str(statement.sets_for_transaction).lower()
        names = ", ".join(map(literal, sorted(SETTABLE)))
        (response,) = await self._session.backend.request(
            messages.side_query(
                "SELECT pg_catalog.string_agg(pg_catalog.format("
                f"'pg_catalog.set_config(%L, %L, {local})', name, setting), ', ')"
                f" FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) IN ({names})"
            )
        )
        transaction = self._session.transaction
        assert transaction is not None
        transaction.settings.append(f"SELECT {response.rows()[0][0]}")

    async def _finish(self, statement: Statement, response: Response, changed: int) -> bool:
        """Record what the statement has done, check the row limit, and send the response."""
        if response.error is not None:
            return self._passthrough.send_response(await self._engine.as_conflict(statement, response))
        if (refusal := await self._engine.record(statement, changed)) is not None:
            return self._session.refuse(refusal)
        return self._passthrough.send_response(response)


async def _unless_too_large(
    held: ExclusiveAccess, statement: Statement, request: Request, response: Response
) -> Response:
    """Return the response, or the error for a value or a row that is too large."""
    if response.error is not None:
        return response
    refusal = await held.size_refusal(statement, request)
    if refusal is None:
        return response
    return Response([(BackendMessage.ERROR_RESPONSE, refusal.encode())], messages.FAILED)
