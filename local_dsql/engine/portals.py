"""Interface to the object that keeps the portals of a session, which a suspension closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dsql_dialect import Statement
    from local_dsql.wire.backend import Backend
    from local_dsql.wire.frames import Frame


class PortalKeeper(Protocol):
    """Keeps a session's portals usable across suspensions; called with the session held."""

    async def before_suspend(
        self, backend: Backend, *, only_reads: Callable[[Statement], bool], undone: bool
    ) -> None:
        """Read the remaining rows of portals that have been executed, where this changes, locks and awaits nothing.

        Args:
            backend: the connection to PostgreSQL.
            only_reads: returns whether a statement that only reads by its text changes and locks no rows by functions
                or views of clients.
            undone: the statement that runs has been undone.
        """

    async def after_resume(self, backend: Backend) -> None:
        """Bind portals again that have not been executed."""

    def keep(self, portal: bytes, rest: Sequence[Frame]) -> None:
        """Keep the rest of the response to a portal whose statement the engine has answered, up to CommandComplete."""


class NoPortals:
    """Keeper of a session that has no portals across statements."""

    async def before_suspend(
        self, backend: Backend, *, only_reads: Callable[[Statement], bool], undone: bool
    ) -> None:
        """Do nothing."""

    async def after_resume(self, backend: Backend) -> None:
        """Do nothing."""

    def keep(self, portal: bytes, rest: Sequence[Frame]) -> None:
        """Do nothing."""
