"""Execute statements that write or lock rows, or may do so in a function that they call."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from local_dsql.engine.autocommit import execute_autocommit
from local_dsql.engine.errors import too_many_bytes
from local_dsql.engine.execute import execute
from local_dsql.engine.procedures import call_alone
from local_dsql.engine.suspend import give_way
from local_dsql.proxy.copy_in import BYTES_PER_STORED_BYTE, after_copy_in, receive_rows, try_copy
from local_dsql.proxy.request_builder import build_request
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.engine.requests import Request
    from local_dsql.proxy.message_queue import MessageQueue
    from local_dsql.proxy.passthrough import Passthrough
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.proxy.transaction_control import TransactionControl


class Executor:
    """Executes statements of one session through the engine."""

    def __init__(
        self,
        session: ClientSession,
        passthrough: Passthrough,
        control: TransactionControl,
        queue: MessageQueue,
    ) -> None:
        self._session = session
        self._engine = session.engine
        self._passthrough = passthrough
        self._control = control
        self._queue = queue

    async def run(self, execution: StatementExecution, statement: Statement) -> bool:
        """Run a statement; return whether it succeeded."""
        if statement.takes_rows:
            return await self._copy(execution, statement)
        request = build_request(execution, statement, self._session.statements)
        response = execution.client_response(await self._response(request, statement))
        return self._passthrough.send_response(response)

    async def _copy(self, execution: StatementExecution, statement: Statement) -> bool:
        """Run a COPY FROM STDIN once all its rows have arrived."""
        rows = await self._receive_rows(execution)
        if rows is None:
            return self._session.fail()
        request = build_request(execution, statement, self._session.statements)
        # `try_copy` has run the COPY without rows and undone it: its prepared statement is left.
        request = replace(request, rows=b"".join(rows), undone=True)
        response = await self._response(request, statement)
        parsed = self._passthrough.parsed
        done = self._passthrough.send_response(Response(after_copy_in(response.frames), response.status))
        self._passthrough.parsed = max(self._passthrough.parsed, parsed)
        return done

    async def _response(self, request: Request, statement: Statement) -> Response:
        """Execute a statement in its transaction, or in autocommit if possible; return the response."""
        if self._session.transaction is None:
            async with self._engine.exclusive_after_exchange() as held:
                response = await call_alone(held, request) or await execute_autocommit(held, request)
            if response is not None:
                if self._control.commit_latency and (statement.writes or statement.locks):
                    await asyncio.sleep(self._control.commit_latency)
                return response
            await self._control.begin_implicit()
            # `execute_autocommit` may have run it and rolled back: its prepared statement may be left.
            request = replace(request, undone=True)
        async with self._engine.exclusive_after_exchange() as held:
            return await execute(held, request)

    async def _receive_rows(self, execution: StatementExecution) -> list[bytes] | None:
        """Receive the rows of a COPY FROM STDIN; None if PostgreSQL refuses it or they are too large."""
        async with self._engine.exclusive() as held:
            if not await self._passthrough.ensure_active(held):
                return None
            response = await try_copy(held, execution)
            self._passthrough.send_response(execution.client_response(response))
            await give_way(held)
        if response.status:
            return None
        self._session.client.flush(keep_buffering=True)
        limit = self._engine.services.limits.bytes
        rows = await receive_rows(self._session.client, self._queue, BYTES_PER_STORED_BYTE * limit)
        if rows is None:
            self._session.refuse(too_many_bytes(limit))
        return rows
