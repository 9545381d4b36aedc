"""The engine: one for all sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local_dsql.front.session import Session
    from local_dsql.occ.transaction import Transaction
    from local_dsql.wire.backend import Backend


class Engine:
    """Counts commits and catalog changes, and keeps statements that take locks apart."""

    control: Backend

    def __init__(self, connect: Callable[[], Awaitable[Backend]]) -> None:
        self._connect = connect
        self.mutex = Turn()
        self.sequence = 0
        self.catalog = 0
        self.sessions: set[Session] = set()
        self.altering = False

    def untroubled(self, transaction: Transaction) -> bool:
        """Tell whether a plain read of the transaction needs no thought."""
        return not (transaction.failed or transaction.implicit)

    async def start(self) -> None:
        """Connect to PostgreSQL."""
        self.control = await self._connect()

    async def close(self) -> None:
        """Leave PostgreSQL."""
        self.control.close()
