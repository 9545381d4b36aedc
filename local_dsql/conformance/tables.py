"""The tables of the cases, created again after a case that may have changed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.conformance.facts_reader import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PREFIX = "fact_"


class Tables:
    """Keeps the tables of a cluster as in `facts/tables.toml`."""

    def __init__(self, execute: Callable[[str], None]) -> None:
        self._execute = execute
        self._tables = tables()
        self._intact: set[str] = set()

    def ensure(self, names: Iterable[str]) -> None:
        """Create the named tables, and those they reference, unless they are unchanged."""
        missing = self._with_referenced(names) - self._intact
        if not missing:
            return
        self._drop(self._with_referencing(missing))
        for name, table in self._tables.items():
            if name in missing:
                self._execute(table.create)
                for insert in table.rows:
                    self._execute(insert)
                self._intact.add(name)

    def invalidate(self, names: Iterable[str]) -> None:
        """Mark the named tables, and those they reference, as possibly changed."""
        self._intact -= self._with_referenced(names)

    def drop(self) -> None:
        """Drop all tables."""
        self._drop(set(self._tables))

    def _drop(self, names: set[str]) -> None:
        for name in reversed(self._tables):
            if name in names:
                self._execute(f"DROP TABLE IF EXISTS {PREFIX}{name}")
        self._intact -= names

    def _with_referenced(self, names: Iterable[str]) -> set[str]:
        found = set(names)
        for name in reversed(self._tables):
            if name in found:
                found.update(self._tables[name].references)
        return found

    def _with_referencing(self, names: set[str]) -> set[str]:
        found = set(names)
        for table in self._tables.values():
            if found.intersection(table.references):
                found.add(table.name)
        return found
