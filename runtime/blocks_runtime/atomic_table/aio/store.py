"""Interface of the stores of a table: a DynamoDB table, or a table of a `DistributedDatabase`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..items import Record
    from ..keys import Key
    from ..requests import Repetitions
    from ..writes import Add, Write


class AsyncStore(Protocol):
    """Reads and writes records, expired ones included, each call until `until`, a `time.monotonic()`."""

    @property
    def table(self) -> str:
        """The table and the service that has it; the same text for every client of the same table."""

    async def read(
        self, keys: Sequence[Key], until: float | None, *, consistent: bool = True
    ) -> list[Record | None]:
        """Return the records of distinct keys, in their order."""

    async def snapshot(
        self, keys: Sequence[Key], until: float | None, conflicts: Repetitions | None = None
    ) -> list[Record | None]:
        """Return the records of keys as they were at one moment, in the order of the keys."""

    async def write(
        self, writes: Sequence[Write], until: float | None, conflicts: Repetitions | None = None
    ) -> None:
        """Carry out all actions or none; `conflicts` counts repetitions for the whole transaction.

        Raises:
            RaceCondition: a condition failed, so nothing was written.
            CommitOutcomeUnknown: no answer arrived, and the outcome could not be found out.
        """

    async def put_all(self, records: Sequence[Record], until: float | None) -> None:
        """Write records of distinct keys in any order, each by itself."""

    async def delete_all(self, keys: Sequence[Key], until: float | None) -> None:
        """Delete items of distinct keys in any order, each by itself."""

    async def add(self, write: Add, until: float | None) -> None:
        """Carry out an addition.

        Raises:
            CommitOutcomeUnknown: the answer was lost.
        """

    async def page(
        self,
        pk: str,
        prefix: str,
        until: float | None,
        *,
        reverse: bool = False,
        limit: int | None = None,
        after: str | None = None,
        consistent: bool = True,
    ) -> tuple[list[Record], str | None]:
        """Return some records of a partition in order, and the `sk` to go on after; None at the end."""

    async def purge(self, until: float | None) -> int:
        """Delete expired items that the service does not delete by itself, and return their number."""

    @property
    def patience(self) -> float:
        """Seconds for a request with its repetitions."""

    @property
    def forked(self) -> bool:
        """True in a forked process, which must not use its parent's connections."""

    @property
    def usage(self) -> tuple[int, int, int]:
        """Requests sent, connections replaced, connections idle."""

    def close(self) -> None:
        """Detach from the service."""
