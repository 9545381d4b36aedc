"""Actions of a statement by way of the functions that it calls and the views that it mentions.

The text of `SELECT pay(7)` shows a plain read. So the definitions of functions and views are read whenever the
catalog has changed, and a statement that mentions one that writes is treated as a statement that writes. Names are
compared without their schema: to take a read for a write costs a little time and nothing else.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dsql_dialect import Kind, Traits, parse, profile
from dsql_dialect.statement import NO_TRAITS

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.wire.backend import Backend

_DEFINITIONS = """
SELECT p.proname, pg_catalog.pg_get_functiondef(p.oid) FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE l.lanname = 'sql' AND p.prokind = 'f' AND p.oid >= 16384
  AND p.pronamespace <> ALL ('{pg_catalog,sys,local_dsql}'::pg_catalog.regnamespace[])
UNION ALL
SELECT c.relname, pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c
WHERE c.relkind = 'v' AND c.oid >= 16384
  AND c.relnamespace <> ALL ('{pg_catalog,information_schema,sys,local_dsql}'::pg_catalog.regnamespace[])
"""
"""16384 is the first number that PostgreSQL gives to what is not its own."""


class Hidden:
    """The functions and views that write or lock, by name; false when there are none, which is usual."""

    def __init__(self) -> None:
        self._traits: dict[str, Traits] = {}

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._traits)

    def concerns(self, statement: Statement) -> bool:
        """Return whether a statement mentions one of them."""
        return not self._traits.keys().isdisjoint(statement.mentions)

    def seen(self, statement: Statement) -> Statement:
        """Return the statement with all its actions, its own and those of what it mentions."""
        if statement.kind not in (Kind.QUERY, Kind.DML) or not self or not self.concerns(statement):
            return statement
        traits = self._whole(statement, self._traits)
        return dataclasses.replace(
            statement, traits=traits, kind=Kind.DML if traits.writes else statement.kind
        )

    def may_change(self, statement: Statement) -> bool:
        """Return whether a DDL statement may make a difference here."""
        return bool(statement.routines or self._traits)

    def expect(self, statement: Statement) -> None:
        """Add the functions and views that a CREATE defines which is not committed yet."""
        traits = self._whole(statement, self._traits)
        if traits.writes or traits.locks:
            self._traits.update(dict.fromkeys(statement.routines, traits))

    async def refresh(self, control: Backend) -> None:
        """Read the definitions as they are committed."""
        known: dict[str, list[Statement]] = {}
        for name, text in await control.exclusive_rows(_DEFINITIONS):
            known.setdefault(str(name).lower(), []).extend(parse(str(text), profile()).statements)
        found, before = self._found(known, {}), dict[str, Traits]()
        while found != before:
            found, before = self._found(known, found), found
        self._traits = found

    def _found(self, known: dict[str, list[Statement]], before: dict[str, Traits]) -> dict[str, Traits]:
        """Return which definitions write or lock, those in `before` being known to."""
        whole = {
            name: NO_TRAITS.joined(*(self._whole(each, before) for each in definitions))
            for name, definitions in known.items()
        }
        return {name: traits for name, traits in whole.items() if traits.writes or traits.locks}

    @staticmethod
    def _whole(statement: Statement, known: dict[str, Traits]) -> Traits:
        own = statement.routine_traits if statement.routines else statement.traits
        return own.joined(*(known[name] for name in statement.mentions & known.keys()))
