"""Definitions of database objects as SQL, and the order in which they can be created."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CREATES_RELATION = frozenset({"table", "view", "sequence"})
_MAY_DEPEND = frozenset({"domain", "function", "table", "view"})
"""Kinds whose order their texts decide. Schemas and sequences come before them, everything else behind."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One database object: kind, qualified name, and the SQL that creates it; `after` are tables it refers to."""

    kind: str
    name: str
    sql: str
    after: tuple[str, ...] = field(default=(), compare=False)


def in_order_of_creation(definitions: Sequence[Definition]) -> tuple[Definition, ...]:
    """Return definitions, each behind those that it mentions, and otherwise in the given order.

    A function with a body needs its tables, a table the functions in its defaults, a view other views. In a cycle the
    given order holds.
    """
    makers = _makers(definitions)
    placed: dict[Definition, None] = {}

    def place(each: Definition, above: frozenset[Definition]) -> None:
        for needed in _needed(each, makers) if each.kind in _MAY_DEPEND else ():
            if needed not in above and needed not in placed:
                place(needed, above | {needed})
        placed.setdefault(each)

    for each in definitions:
        place(each, frozenset({each}))
    return tuple(placed)


def _makers(definitions: Sequence[Definition]) -> Mapping[tuple[str, str], list[Definition]]:
    """Return definitions by what they make, relation, function or type, and its name without schema."""
    found: dict[tuple[str, str], list[Definition]] = {}
    for each in definitions:
        for what in _made(each.kind):
            found.setdefault((what, _bare(each.name)), []).append(each)
    return found


def _made(kind: str) -> Iterator[str]:
    if kind in _CREATES_RELATION:
        yield "relation"
    if kind in ("table", "view", "domain"):
        yield "type"
    if kind == "function":
        yield "function"


def _bare(name: str) -> str:
    """Return a name without schema, arguments and quotes, in lower case, as the parser returns names."""
    from dsql_dialect.libpg_query import scan

    words = [token.text for token in scan(name.encode())]
    end = words.index("(") if "(" in words else len(words)
    return words[end - 1].strip('"').replace('""', '"').lower()


def _needed(each: Definition, makers: Mapping[tuple[str, str], Sequence[Definition]]) -> Iterator[Definition]:
    """Yield the definitions of what a definition mentions, in their order."""
    from dsql_dialect.parser import parse
    from dsql_dialect.profiles import NEWEST

    mentioned: list[tuple[str, str]] = []
    for statement in parse(each.sql, NEWEST).statements:
        mentioned += [("relation", name) for name in sorted(statement.relations)]
        mentioned += [("function", name) for name in sorted(statement.functions)]
        mentioned += [("type", name) for name in sorted(statement.types)]
    for key in mentioned:
        yield from makers.get(key) or ()
    for name in each.after:
        yield from (maker for maker in makers.get(("relation", _bare(name))) or () if maker.name == name)
