"""The engine's own connections: they read locks, activity and log positions, and touch no table of a client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local_dsql.wire.backend import Backend

CONTROL_ROLE = "local_dsql_control"


class ControlConnections:
    """A few connections of the role `local_dsql_control`, each used by one caller at a time."""

    def __init__(self, connect: Callable[[], Awaitable[Backend]], count: int = 3) -> None:
        self._connect = connect
        self._count = count
        self._all: list[Backend] = []
        self._idle: list[Backend] = []
        self._ready = asyncio.Semaphore(count)

    async def open(self) -> None:
        """Connect."""
        self._all = list(await asyncio.gather(*(self._connect() for _ in range(self._count))))
        self._idle = self._all.copy()

    def close(self) -> None:
        """Close the connections, also those in use."""
        for backend in self._all:
            backend.close()

    async def rows(self, sql: str) -> list[list[str | None]]:
        """Run a statement without parameters, and return its rows.

        Raises:
            BackendError: it failed.
            ConnectionLost: PostgreSQL has stopped.
        """
        async with self._ready:
            backend = self._idle.pop()
            try:
                return await backend.rows(sql)
            finally:
                self._idle.append(backend)
