"""BEGIN, COMMIT and ROLLBACK of one session, and the age limit of its transactions."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.commands import Command
from local_dsql.engine.commit import commit, rollback
from local_dsql.engine.commit_preview import preview_commit
from local_dsql.engine.errors import ACTIVE_TRANSACTION
from local_dsql.engine.exchanges import Begin, Commit
from local_dsql.engine.opening import begin, reopen
from local_dsql.engine.replay import replay
from local_dsql.engine.suspend import give_way
from local_dsql.engine.unblock import ask_unblocked
from local_dsql.faults.injector import PredicateFailed
from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from local_dsql.engine.exchanges import Exchange
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.transaction import Transaction
    from local_dsql.proxy.parse_cache import ParsedQuery
    from local_dsql.proxy.passthrough import Passthrough
    from local_dsql.proxy.session import ClientSession
    from local_dsql.proxy.statement_execution import StatementExecution

_TICK = 0.001
"""Seconds; the resolution of the event loop's timers."""
_SET_READ_ONLY = Command("SET TRANSACTION READ ONLY")


class TransactionControl:
    """Begins and ends transactions. Methods that take a statement return whether it succeeded.

    `commit_latency` is in seconds; it is added to every COMMIT of a transaction with changes.
    """

    def __init__(self, session: ClientSession, passthrough: Passthrough, commit_latency: float = 0.0) -> None:
        self._session = session
        self._engine = session.engine
        self._passthrough = passthrough
        self.commit_latency = commit_latency
        self._age: asyncio.TimerHandle | None = None
        self._expiry: asyncio.Task[None] | None = None

    # begin

    async def begin_implicit(self) -> None:
        """Begin a transaction around the statements that follow."""
        async with self._engine.exclusive() as held:
            await begin(held, savepoints.BEGIN, implicit=True)
        self._start_clock()

    async def begin(self, execution: StatementExecution) -> bool:
        """Run the client's BEGIN."""
        transaction = self._session.transaction
        if transaction is not None and transaction.implicit:
            return await self._make_explicit(execution, transaction)
        if transaction is not None:
            return await self._set_modes(execution, transaction)
        async with self._engine.exclusive() as held:
            response = await begin(held, execution.request(), implicit=False)
        if not self._passthrough.send_response(execution.client_response(response)):
            return False
        self._start_clock()
        assert self._session.transaction is not None
        assert execution.statement is not None
        # `rebase` sends the BEGIN again, and a Parse with a name would fail then.
        self._session.transaction.begin = messages.query(execution.statement.backend_sql)
        return True

    async def _set_modes(self, execution: StatementExecution, transaction: Transaction) -> bool:
        """Run a BEGIN in an open transaction: PostgreSQL warns, and sets the modes that it has."""
        assert execution.statement is not None
        async with self._engine.exclusive() as held:
            is_unused = not held.has_run_statements
            if not await self._passthrough.ensure_active(held):
                return False
            (response,) = await ask_unblocked(held, execution.request())
            if is_unused and response.error is not None and response.error["C"] == ACTIVE_TRANSACTION:
                response = await reopen(held, execution.request(), execution.statement.backend_sql)
                await replay(held)
            elif response.error is None and _is_read_only(execution):
                transaction.replay.append(_SET_READ_ONLY)
            if is_unused:
                held.transaction.unused_until = time.monotonic()
            done = self._passthrough.send_response(execution.client_response(response))
            await give_way(held)
            return done

    def begin_exchange(self, held: HeldSession, query: ParsedQuery) -> Exchange | None:
        """Return the exchange for a BEGIN or COMMIT without options, None if it has to be run here."""
        transaction = self._session.transaction
        only = query.only
        if only is None or self.commit_latency or self._session.backend.parameters:
            return None
        if query.control == "BEGIN" and transaction is None and Begin.is_possible(held):
            return Begin(held, messages.query(only.backend_sql))
        if query.control == "COMMIT" and transaction is not None and not transaction.implicit:
            changes_parameters = transaction.replay or transaction.reports_settings
            return Commit(held) if not changes_parameters and Commit.is_possible(held) else None
        return None

    def end_exchange(self) -> None:
        """Note that an exchange has begun or ended the transaction."""
        if self._session.transaction is None:
            self._session.statements.forget_portals()
        else:
            self._start_clock()

    async def _make_explicit(self, execution: StatementExecution, transaction: Transaction) -> bool:
        """Turn the implicit transaction into an explicit one: BEGIN came after other statements of its batch."""
        session = self._session
        statement = execution.statement
        assert statement is not None
        transaction.implicit = False
        if _is_read_only(execution):
            transaction.replay.append(_SET_READ_ONLY)
            async with self._engine.exclusive() as held:
                await held.run([_SET_READ_ONLY])
        tag = "START TRANSACTION" if statement.text[:5].upper() == "START" else "BEGIN"
        session.client.send(execution.local_response(messages.command_complete(tag)))
        return True

    # end

    async def commit(self, execution: StatementExecution) -> bool:
        """Run the client's COMMIT."""
        session = self._session
        transaction = session.transaction
        if transaction is None:
            return await self._end_nothing(execution)
        if transaction.failed:
            return await self.rollback(execution)
        warning = _no_transaction_warning(transaction)
        error = await self._commit()
        if error is not None:
            session.client.send(warning + error)
            return False
        session.client.send(execution.local_response(warning + messages.command_complete("COMMIT")))
        return True

    async def rollback(self, execution: StatementExecution) -> bool:
        """Run the client's ROLLBACK, or its COMMIT of a failed transaction."""
        transaction = self._session.transaction
        if transaction is None:
            return await self._end_nothing(execution)
        warning = _no_transaction_warning(transaction)
        await self._rollback()
        response = execution.local_response(warning + messages.command_complete("ROLLBACK"))
        self._session.client.send(response)
        return True

    async def _end_nothing(self, execution: StatementExecution) -> bool:
        """Send COMMIT or ROLLBACK outside of a transaction: PostgreSQL warns, and closes portals."""
        self._session.statements.forget_portals()
        return await self._passthrough.forward(execution)

    async def end_implicit(self) -> bool:
        """Commit the implicit transaction, or roll it back if it failed.

        Returns:
            Whether it has been committed; if not, the client has received the error.
        """
        transaction = self._session.transaction
        assert transaction is not None
        if transaction.failed:
            await self._rollback()
            return False
        if (error := await self._commit()) is not None:
            self._session.client.send(error)
        return error is None

    async def _commit(self) -> bytes | None:
        """Commit; return the error to send, or None."""
        try:
            preview = await preview_commit(self._engine)
        except PredicateFailed as failure:
            await self._rollback()
            return failure.message.encode()
        async with self._engine.exclusive() as held:
            outcome = await commit(held, preview, tell=bool(self.commit_latency))
        self._session.statements.forget_portals()
        if self.commit_latency and outcome.wrote:
            await asyncio.sleep(self.commit_latency)
        if outcome.breaks_connection:
            self._session.client.abort()
        return outcome.error

    async def _rollback(self) -> None:
        async with self._engine.exclusive() as held:
            await rollback(held)
        self._session.statements.forget_portals()

    # age

    def _start_clock(self) -> None:
        """Start to measure the age of the transaction that has just begun.

        The timer of an earlier transaction is not cancelled: it looks at the age of this one.
        """
        if self._age is None:
            self._look_after(self._engine.services.limits.transaction_age)

    def _look_after(self, seconds: float) -> None:
        self._age = asyncio.get_running_loop().call_later(seconds, self._look_at_age)

    def _look_at_age(self) -> None:
        self._age = None
        transaction = self._session.transaction
        if transaction is None:
            return
        left = transaction.began + self._engine.services.limits.transaction_age - time.monotonic()
        if left > _TICK:
            self._look_after(left)
        elif not transaction.failed:
            transaction.expired = True
            self._expiry = asyncio.get_running_loop().create_task(self._release_locks(transaction))

    async def _release_locks(self, transaction: Transaction) -> None:
        """Release the locks of an expired transaction; its client receives the error at its next statement."""
        try:
            async with self._engine.exclusive() as held:
                if self._session.transaction is transaction:
                    await held.ask(savepoints.TO_BASE)
        except ConnectionLost:
            return  # the client has disconnected

    def close(self) -> None:
        """Cancel timers: the client has disconnected."""
        if self._age is not None:
            self._age.cancel()
        if self._expiry is not None:
            self._expiry.cancel()


def _is_read_only(execution: StatementExecution) -> bool:
    return execution.statement is not None and execution.statement.read_only


def _no_transaction_warning(transaction: Transaction) -> bytes:
    return errors.NO_TRANSACTION.encode() if transaction.implicit else b""
