"""Interface to the object that keeps the portals of a session, which a suspension closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from local_dsql.wire.backend import Backend


class PortalKeeper(Protocol):
    """Keeps a session's portals usable across suspensions; called with the session held."""

    async def before_suspend(self, backend: Backend) -> None:
        """Read the remaining rows of portals that have been executed. Changes that this makes are captured
        afterwards."""

    async def after_resume(self, backend: Backend) -> None:
        """Bind portals again that have not been executed."""


class NoPortals:
    """Keeper of a session that has no portals across statements."""

    async def before_suspend(self, backend: Backend) -> None:
        """Do nothing."""

    async def after_resume(self, backend: Backend) -> None:
        """Do nothing."""
