"""The part of a database that the workloads need."""

from __future__ import annotations

from typing import Protocol


class Endpoints(Protocol):
    """A database with an endpoint in each of its Regions; `LocalCluster` is one."""

    @property
    def regions(self) -> tuple[str, ...]:
        """The names of the Regions, the default one first."""

    def dsn(self, region: str | None = None) -> str:
        """Return the DSN of a Region, by default of the first."""
