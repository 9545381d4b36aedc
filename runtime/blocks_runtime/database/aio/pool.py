"""The connections of one process: a warm one for a Lambda's single thread, more for a busy application."""

from __future__ import annotations

import time
import weakref

from ...errors import ConnectionFailed
from .primitives import FifoSemaphore, together

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .session import AsyncSession

    Wake = Callable[[AsyncSession, float | None], Awaitable[None]]

SIZE = 10
"""Connections at most; who wants an eleventh waits."""

PATIENCE = 30.0
"""Seconds that one waits for a connection which others hold."""


class AsyncPool:
    """Opens connections on demand up to `size`, and hands out the one used last first."""

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
        self._open: weakref.WeakSet[AsyncSession] = weakref.WeakSet()  # so that who loses one closes it
        self._past_statements = 0
        self._replaced = 0
        self._closed = False

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._open)

    @property
    def idle(self) -> int:
        """How many of them nobody uses."""
        return len(self._idle)

    @property
    def replaced(self) -> int:
        """How many were found dead or too old when they were wanted."""
        return self._replaced

    @property
    def statements(self) -> int:
        """How many statements all of them, closed ones included, have executed."""
        return self._past_statements + sum(session.statements for session in tuple(self._open))

    async def take(self, wake: Wake, until: float | None = None) -> tuple[AsyncSession, bool]:
        """Return a connection that `wake` found working, and whether it had been used before.

        `wake` says something to the server and raises ConnectionFailed where no answer comes; a torn
        connection is then replaced unseen, for nothing has been asked of it yet.

        Raises:
            ConnectionFailed: all are in use and stay so, the pool is closed, or a new one cannot be opened.
        """
        patience = self._patience if until is None else min(self._patience, until - time.monotonic())
        permit = await self._semaphore.acquire(max(0.0, patience))
        if permit is None:
            raise ConnectionFailed(
                f"all {self._size} connections were in use for {patience:.2g} s; "
                "keep transactions short, or raise max_connections",
                retryable=False,
            )
        try:
            session, used = await self._find(wake, until)
            session.permit = permit
        except BaseException:
            permit.release()
            raise
        return session, used

    async def _find(self, wake: Wake, until: float | None) -> tuple[AsyncSession, bool]:
        """Return the newest idle connection that works, or a new one, and whether it had been used before."""
        self._check_open()
        while (session := self._newest()) is not None:
            if await self._wakes(session, wake, until):
                return session, True
            self._replaced += 1
        session = await self._connect(until)
        self._open.add(session)
        try:
            await wake(session, until)
        except BaseException:
            self._keep_or_close(session)
            raise
        return session, False

    def release(self, session: AsyncSession) -> None:
        """Take a connection back; one that is not at rest between transactions is closed."""
        permit, session.permit = session.permit, None
        self._keep_or_close(session)
        if permit is not None:
            permit.release()

    async def fill(self, count: int, wake: Wake) -> None:
        """Have `count` connections open and idle, opened side by side; `size` is the most."""
        taken: list[AsyncSession] = []

        async def take() -> None:
            taken.append((await self.take(wake))[0])

        try:
            await together(take, min(count, self._size))
        finally:
            for session in taken:
                self.release(session)

    def close(self) -> None:
        """Close what is idle now, and what is in use as soon as it comes back."""
        self._closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while (session := self._newest()) is not None:
            self._drop(session)

    def _newest(self) -> AsyncSession | None:
        try:
            return self._idle.pop()
        except IndexError:  # not asked beforehand: another thread may come in between
            return None

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionFailed("the database was closed by close(); make a new one", retryable=False)

    async def _wakes(self, session: AsyncSession, wake: Wake, until: float | None) -> bool:
        """Wake a connection that has been idle; close it where that fails."""
        try:
            if session.usable:
                await wake(session, until)
                return True
        except ConnectionFailed:
            pass  # torn while nobody used it: nothing is lost but the connection
        except BaseException:
            self._keep_or_close(session)
            raise
        self._drop(session)
        return False

    def _keep_or_close(self, session: AsyncSession) -> None:
        """Keep a connection for the next who wants one, unless it is in doubt."""
        if session.reset():
            self._idle.append(session)
        else:
            self._drop(session)
        if self._closed:  # perhaps by another thread, and only now
            self._close_idle()

    def _drop(self, session: AsyncSession) -> None:
        self._open.discard(session)
        self._past_statements += session.statements
        session.close()
