"""Beginning and ending the transactions of one session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local_dsql.faults.injector import PredicateFailed
from local_dsql.occ.commit import Ending
from local_dsql.occ.foresight import foresee
from local_dsql.occ.parking import BACK_TO_BASE, OPEN, read_opened
from local_dsql.occ.transaction import Transaction
from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from local_dsql.occ.engine import Moment
    from local_dsql.proxy.session import Session
    from local_dsql.proxy.units import Unit
    from local_dsql.wire.response import Response

BEGIN = messages.query("BEGIN ISOLATION LEVEL REPEATABLE READ")
_SET_READ_ONLY = "SET TRANSACTION READ ONLY"
_ROLLBACK = messages.query("ROLLBACK")


class Transactions:
    """What BEGIN, COMMIT and ROLLBACK do, and the age that a transaction may reach."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._age: asyncio.TimerHandle | None = None
        self._expiry: asyncio.Task[None] | None = None

    async def begin_implicit(self) -> None:
        """Open a transaction of our own around what follows."""
        backend = self.session.backend
        async with backend.lock:
            before = self.session.engine.moment
            answers = await backend.request(BEGIN + OPEN, 2)
        self.opened(answers[1], before, implicit=True)

    async def begin(self, unit: Unit) -> bool:
        """Run the client's BEGIN; its snapshot is taken at once, as DSQL does. Return whether it succeeded."""
        session = self.session
        transaction = session.transaction
        if transaction is not None and transaction.implicit:
            return await self._take_over(unit, transaction)
        if transaction is not None:
            done = await session.work.pass_on(unit)
            if done and unit.statement is not None and unit.statement.read_only:
                transaction.settings.append(_SET_READ_ONLY)  # it warns, and does that all the same
            return done
        async with session.backend.lock:
            before = session.engine.moment
            answers = await session.backend.request(unit.request() + OPEN, 2)
        if not session.work.answered(unit.own(answers[0])):
            return False
        self.opened(answers[1], before, implicit=False)
        return True

    async def _take_over(self, unit: Unit, transaction: Transaction) -> bool:
        """Make what has run already a part of the client's transaction: BEGIN stood in the midst of it."""
        session = self.session
        statement = unit.statement
        assert statement is not None
        transaction.implicit = False
        if statement.read_only:
            async with session.backend.lock:
                await session.backend.rows(_SET_READ_ONLY)
            transaction.settings.append(_SET_READ_ONLY)
        tag = "START TRANSACTION" if statement.text[:5].upper() == "START" else "BEGIN"
        session.client.send(unit.answer(messages.command_complete(tag)))
        return True

    def opened(self, answer: Response, before: Moment, *, implicit: bool) -> None:
        """Note the transaction that PostgreSQL has opened; `answer` is that of `OPEN`.

        `before` must not be later than its snapshot, or a commit in between would seem to be part of it. To take
        a transaction for older than it is costs no more than a savepoint.
        """
        engine = self.session.engine
        end, place = read_opened(answer)
        self.session.transaction = Transaction(implicit, before.sequence, before.catalog, end, place)
        loop = asyncio.get_running_loop()
        self._age = loop.call_later(engine.limits.transaction_age, self._too_old)

    async def commit(self, unit: Unit) -> bool:
        """Run the client's COMMIT; return whether it succeeded."""
        session = self.session
        transaction = session.transaction
        if transaction is None:
            return await self._end_nothing(unit)
        if transaction.failed:
            return await self.rollback(unit)
        warning = self._warning(transaction)
        error = await self._commit(transaction)
        if error is not None:
            session.client.send(warning + error)
            return False
        session.client.send(unit.answer(warning + messages.command_complete("COMMIT")))
        return True

    @staticmethod
    def _warning(transaction: Transaction) -> bytes:
        return errors.NO_TRANSACTION.encode() if transaction.implicit else b""

    async def rollback(self, unit: Unit) -> bool:
        """Run the client's ROLLBACK, or what a COMMIT of a failed transaction comes to."""
        transaction = self.session.transaction
        if transaction is None:
            return await self._end_nothing(unit)
        warning = self._warning(transaction)
        await self._rollback()
        self.session.client.send(unit.answer(warning + messages.command_complete("ROLLBACK")))
        return True

    async def _end_nothing(self, unit: Unit) -> bool:
        """Let PostgreSQL warn that there is no transaction; portals end all the same."""
        self.session.names.forget_portals()
        return await self.session.work.pass_on(unit)

    async def end_implicit(self) -> bool:
        """End the transaction that was opened by `begin_implicit`: commit it, or roll back if it failed.

        Returns:
            Whether it has been committed; if not, the client has been told why.
        """
        transaction = self.session.transaction
        assert transaction is not None
        if transaction.failed:
            await self._rollback()
            return False
        if (error := await self._commit(transaction)) is not None:
            self.session.client.send(error)
        return error is None

    async def _commit(self, transaction: Transaction) -> bytes | None:
        """Commit; return the error to send, or None."""
        session = self.session
        foresight = None
        if session.engine.injector.has_predicates and not transaction.expired:
            try:
                foresight = await foresee(session.engine, session)
            except PredicateFailed as failure:
                await self._rollback()
                return failure.message.encode()
        if transaction.expired:
            await self._rollback()
            return errors.too_old(session.engine.limits.transaction_age).encode()
        ending = Ending(session.engine, session, foresight)
        await ending.at_its_turn()
        self._ended()
        latency = session.client.endpoint.commit_latency
        if latency and not transaction.reads_only:
            await asyncio.sleep(latency)
        if ending.lost:
            session.client.abort()
        return ending.error

    async def _rollback(self) -> None:
        async with self.session.backend.lock:
            await self.session.backend.request(_ROLLBACK)
        self._ended()

    def _ended(self) -> None:
        session = self.session
        if self._age is not None:
            self._age.cancel()
            self._age = None
        session.engine.ended(session.transaction)
        session.transaction = None
        session.names.forget_portals()

    # age

    def _too_old(self) -> None:
        transaction = self.session.transaction
        if transaction is not None and not transaction.failed:
            transaction.expired = True
            self._expiry = asyncio.get_running_loop().create_task(self._let_go(transaction))

    async def _let_go(self, transaction: Transaction) -> None:
        """Release what a transaction that is too old holds; its client learns of it at the next statement."""
        try:
            async with self.session.backend.lock:
                if self.session.transaction is transaction:
                    await self.session.backend.request(BACK_TO_BASE)
        except ConnectionLost:
            return  # the client left meanwhile

    def close(self) -> None:
        """Stop the clock: the client is gone."""
        if self._age is not None:
            self._age.cancel()
        if self._expiry is not None:
            self._expiry.cancel()
