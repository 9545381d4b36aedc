"""Interface to the keeper of a session's portals, which a suspension closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from local_dsql.wire.backend import Backend


class PortalKeeper(Protocol):
    """Keeps a session's portals usable across suspensions; called with the session held."""

    async def before_suspend(self, backend: Backend) -> None:
        """Read what is left of portals that have been begun. What that changes is captured afterwards."""

    async def after_resume(self, backend: Backend) -> None:
        """Open portals again that have only been bound."""


class NoPortals:
    """Keeper of a session that has no portals across statements."""

    async def before_suspend(self, backend: Backend) -> None:
        """Nothing to read."""

    async def after_resume(self, backend: Backend) -> None:
        """Nothing to open."""
