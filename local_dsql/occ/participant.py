"""What the engine needs of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from local_dsql.occ.commit import Ending
    from local_dsql.occ.transaction import Transaction
    from local_dsql.wire.backend import Backend


class Participant(Protocol):
    """A session as the engine sees it: a backend that runs as a role, and the open transaction, if any."""

    role: str
    region: str
    backend: Backend
    transaction: Transaction | None
    ending: Ending | None

    @property
    def label(self) -> str:
        """Who it is, for the conflict log."""
        ...

    async def before_parking(self) -> None:
        """Save what a rollback to the base would lose and no table shows: open portals."""

    async def after_resuming(self) -> None:
        """Open the portals again."""
