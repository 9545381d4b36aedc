"""What a statement does by way of what it calls: SQL functions that write or lock, and views that do.

The text of `SELECT pay(7)` shows a plain read. So the definitions of functions and views are read whenever the
catalog has changed, and a statement that mentions one that writes is treated as a statement that writes. Names are
compared without their schema: to take a read for a write costs a little time and nothing else.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from dsql_dialect import Kind, Traits, bodies, json_tree, libpg_query
from dsql_dialect.classify import traits_within
from dsql_dialect.libpg_query import SqlSyntaxError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect import Statement
    from dsql_dialect.rule import Node
    from local_dsql.wire.backend import Backend

_DEFINING = frozenset({"CreateFunction", "View", "CreateSchema"})
_CALLS = frozenset({"FuncCall", "RangeVar", "relation", "CreateFunctionStmt"})

_WRITING = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt"})

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


@dataclass(frozen=True, slots=True)
class _Definition:
    """What a text does by itself, the names that it mentions, and those of the tables that it writes to."""

    traits: Traits
    mentions: frozenset[str]
    tables: frozenset[str]


class Hidden:
    """The functions and views that write or lock, by name; false when there are none, which is usual."""

    def __init__(self) -> None:
        self._traits: dict[str, Traits] = {}
        self._known: dict[str, list[_Definition]] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._traits)

    def concerns(self, sql: str) -> bool:
        """Tell whether a text mentions one of them."""
        return not self._traits.keys().isdisjoint(_read(sql).mentions)

    def seen(self, statement: Statement) -> Statement:
        """Return the statement with all that it does, by itself and by way of what it mentions."""
        if not self._traits or statement.kind not in (Kind.QUERY, Kind.DML):
            return statement
        found = [self._traits[name] for name in _read(statement.backend_sql).mentions & self._traits.keys()]
        if not found:
            return statement
        traits = _union(statement.traits, *found)
        writes = traits.inserts or traits.updates or traits.deletes
        return dataclasses.replace(statement, traits=traits, kind=Kind.DML if writes else statement.kind)

    def may_change(self, statement: Statement) -> bool:
        """Tell whether a DDL statement may make a difference here."""
        return statement.node in _DEFINING or bool(self._traits)

    def expect(self, statement: Statement) -> None:
        """Count with what a CREATE that is not committed yet defines."""
        if statement.node in _DEFINING:
            definition = _read(statement.backend_sql)
            if _does_something(definition.traits):
                for name in _defined(statement.backend_sql):
                    self._traits[name] = definition.traits

    async def refresh(self, control: Backend) -> None:
        """Read the definitions as they are committed."""
        known: dict[str, list[_Definition]] = {}
        for name, text in await control.exclusive_rows(_DEFINITIONS):
            known.setdefault(str(name), []).append(_read(str(text)))
        found: dict[str, Traits] = {}
        before = -1
        while before != len(found):
            before = len(found)
            for name, definitions in known.items():
                traits = _union(*(self._whole(each, found) for each in definitions))
                if _does_something(traits):
                    found[name] = traits
        self._traits, self._known = found, known

    def tables(self, sql: str) -> frozenset[str]:
        """Return the names, in lower case, of the tables that a text writes to by way of what it mentions."""
        found: set[str] = set()
        todo, done = set(_read(sql).mentions) & self._traits.keys(), set[str]()
        while todo:
            done |= todo
            definitions = [each for name in todo for each in self._known.get(name, ())]
            found |= {table for each in definitions for table in each.tables}
            todo = {name for each in definitions for name in each.mentions & self._traits.keys()} - done
        return frozenset(found)

    @staticmethod
    def _whole(definition: _Definition, found: dict[str, Traits]) -> Traits:
        return _union(definition.traits, *(found[name] for name in definition.mentions & found.keys()))


def _does_something(traits: Traits) -> bool:
    return traits.inserts or traits.updates or traits.deletes or traits.for_update or traits.for_key_share


def _union(first: Traits, *others: Traits) -> Traits:
    return dataclasses.replace(
        first,
        inserts=any(each.inserts for each in (first, *others)),
        updates=any(each.updates for each in (first, *others)),
        deletes=any(each.deletes for each in (first, *others)),
        for_update=any(each.for_update for each in (first, *others)),
        for_key_share=any(each.for_key_share for each in (first, *others)),
    )


def _trees(sql: str) -> Iterator[Node]:
    """Yield the parse trees of a text, and those of the bodies of functions that it makes."""
    try:
        trees = [raw["stmt"] for raw in libpg_query.parse(sql.encode())]
    except SqlSyntaxError:
        return
    for tree in trees:
        yield tree
        for _, node in json_tree.walk(tree, {"CreateFunctionStmt"}):
            text = bodies.body(node)
            if text:
                yield from _trees(text)


def _read_anew(sql: str) -> _Definition:
    trees = list(_trees(sql))
    return _Definition(
        _union(Traits(), *(traits_within(tree) for tree in trees)),
        frozenset(name for tree in trees for name in _mentions(tree)),
        frozenset(
            node["relation"]["relname"].lower()
            for tree in trees
            for _, node in json_tree.walk(tree, _WRITING)
        ),
    )


_read_kept = lru_cache(maxsize=2048)(_read_anew)


def _read(sql: str) -> _Definition:
    return _read_anew(sql) if len(sql) > 32_768 else _read_kept(sql)


def _mentions(tree: Node) -> Iterator[str]:
    for name, node in json_tree.walk(tree, _CALLS):
        if name == "FuncCall":
            yield json_tree.words(node["funcname"])[-1]
        elif "relname" in node:
            yield node["relname"]


def _defined(sql: str) -> Iterator[str]:
    """Yield the names of the functions and views that a CREATE makes."""
    for tree in _trees(sql):
        for name, node in json_tree.walk(tree, {"CreateFunctionStmt", "ViewStmt"}):
            yield (
                json_tree.words(node["funcname"])[-1]
                if name == "CreateFunctionStmt"
                else node["view"]["relname"]
            )
