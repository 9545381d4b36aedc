"""Connection pool of one process: one warm connection for a Lambda's single thread, more for other applications.

psycopg_pool is not used: its worker threads open and check connections in the background, and Lambda freezes all
threads between invocations, so they would wake with expired timers and dead sockets. This pool has no threads: it
opens, checks and closes connections in the caller's thread, when one is acquired or released.
"""

from __future__ import annotations

import time
import weakref

from ...errors import ConnectionFailed
from .primitives import FifoSemaphore, together

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .session import AsyncSession

    Check = Callable[[AsyncSession, float | None], Awaitable[None]]

SIZE = 10
"""Default for the largest number of connections."""

PATIENCE = 30.0
"""Seconds to wait for a connection while all are in use."""


class AsyncPool:
    """Opens connections on demand up to `size`, and lends the most recently used first."""

    def __init__(
        self,
        connect: Callable[[float | None], Awaitable[AsyncSession]],
        size: int = SIZE,
        patience: float = PATIENCE,
    ) -> None:
        self._connect = connect
        self._size = size
        self._patience = patience
        self._semaphore = FifoSemaphore(size)
        self._idle: list[AsyncSession] = []
        self._open: weakref.WeakSet[AsyncSession] = (
            weakref.WeakSet()
        )  # a session that is garbage collected closes
        self._past_statements = 0
        self._replaced = 0
        self._closed = False

    @property
    def size(self) -> int:
        """Largest number of connections."""
        return self._size

    @property
    def open(self) -> int:
        """Number of open connections."""
        return len(self._open)

    @property
    def idle(self) -> int:
        """Number of open connections that are not in use."""
        return len(self._idle)

    @property
    def replaced(self) -> int:
        """Number of connections found dead or too old when one was acquired."""
        return self._replaced

    @property
    def statements(self) -> int:
        """Number of statements executed on all connections, closed ones included."""
        return self._past_statements + sum(session.statements for session in tuple(self._open))

    async def take(self, check: Check, until: float | None = None) -> tuple[AsyncSession, bool]:
        """Return a connection that passed `check`, and whether it had been used before.

        `check` sends a command and raises ConnectionFailed if the server does not answer; the connection is then
        replaced, which is safe because nothing else has been sent on it.

        Raises:
            ConnectionFailed: all stay in use, the pool is closed, or a new connection cannot be opened.
        """
        patience = self._patience
        if until is not None:
            patience = max(0.0, min(patience, until - time.monotonic()))
        permit = await self._semaphore.acquire(patience)
        if permit is None:
            raise ConnectionFailed(
                f"all {self._size} connections were in use for {patience:.2g} s; "
                "keep transactions short, or raise max_connections",
                retryable=False,
            )
        try:
            session, used = await self._find(check, until)
            session.permit = permit
        except BaseException:
            permit.release()
            raise
        return session, used

    async def _find(self, check: Check, until: float | None) -> tuple[AsyncSession, bool]:
        """Return the newest idle connection that works, or a new one, and whether it had been used before."""
        if self._closed:
            raise ConnectionFailed("the database was closed by close(); make a new one", retryable=False)
        while (session := self._newest()) is not None:
            if await self._passes(session, check, until):
                return session, True
            self._replaced += 1
        session = await self._connect(until)
        self._open.add(session)
        try:
            await check(session, until)
        except BaseException:
            self._keep_or_close(session)
            raise
        return session, False

    def release(self, session: AsyncSession) -> None:
        """Return a connection to the pool; one inside a transaction is closed."""
        permit, session.permit = session.permit, None
        self._keep_or_close(session)
        if permit is not None:
            permit.release()

    async def fill(self, count: int, check: Check) -> None:
        """Open `count` connections concurrently and leave them idle; `size` at most."""
        taken: list[AsyncSession] = []

        async def take() -> None:
            taken.append((await self.take(check))[0])

        try:
            await together(take, min(count, self._size))
        finally:
            for session in taken:
                self.release(session)

    def close(self) -> None:
        """Close idle connections now, and those in use when they are released."""
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while (session := self._newest()) is not None:
            self._drop(session)

    def _newest(self) -> AsyncSession | None:
        try:
            return self._idle.pop()
        except IndexError:  # a check beforehand would race with another thread
            return None

    async def _passes(self, session: AsyncSession, check: Check, until: float | None) -> bool:
        """Check an idle connection; close it if that fails."""
        try:
            if session.usable:
                await check(session, until)
                return True
        except ConnectionFailed:
            pass  # lost while idle: no statement was on it
        except BaseException:
            self._keep_or_close(session)
            raise
        self._drop(session)
        return False

    def _keep_or_close(self, session: AsyncSession) -> None:
        """Keep a connection as idle, or close it if its state is unknown."""
        if session.reset():
            self._idle.append(session)
        else:
            self._drop(session)
        if self._closed:  # another thread may have closed the pool meanwhile
            self._close_idle()

    def _drop(self, session: AsyncSession) -> None:
        self._open.discard(session)
        self._past_statements += session.statements
        session.close()
