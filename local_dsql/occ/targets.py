"""What a statement writes to, by its text: tables, and columns that it assigns to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from dsql_dialect import json_tree, libpg_query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_WRITING = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "CopyStmt"})
_ASSIGNING = frozenset({"UpdateStmt", "onConflictClause"})


@dataclass(frozen=True, slots=True)
class Targets:
    """Names of tables, in lower case and without schema; names of columns; how many writes the statement nests."""

    tables: frozenset[str]
    assigned: frozenset[str]
    writes: int


NOTHING = Targets(frozenset(), frozenset(), 0)


def targets(sql: str) -> Targets:
    """Return what a statement writes to."""
    return _read(sql) if len(sql) > 32_768 else _read_kept(sql)


def _read(sql: str) -> Targets:
    nodes = [
        found
        for tree in libpg_query.parse(sql.encode())
        for found in json_tree.walk(tree, _WRITING | _ASSIGNING)
    ]
    writing = [node for name, node in nodes if name in _WRITING]
    return Targets(
        frozenset(node["relation"]["relname"].lower() for node in writing if "relation" in node),
        frozenset(column for name, node in nodes if name in _ASSIGNING for column in _assigned(node)),
        len(writing),
    )


_read_kept = lru_cache(maxsize=4096)(_read)


def _assigned(node: Node) -> Iterator[str]:
    for target in node.get("targetList", ()):
        yield target["ResTarget"].get("name", "")
