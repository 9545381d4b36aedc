"""Which columns a statement assigns to: an UPDATE that leaves the keys alone takes no key away."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dsql_dialect import json_tree, libpg_query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_ASSIGNING = frozenset({"UpdateStmt", "onConflictClause"})


@lru_cache(maxsize=4096)
def assigned_columns(sql: str) -> frozenset[str]:
    """Return the names of all columns that UPDATE or ON CONFLICT DO UPDATE assigns to, anywhere in a statement."""
    return frozenset(
        name
        for tree in libpg_query.parse(sql.encode())
        for _, node in json_tree.walk(tree, _ASSIGNING)
        for name in _targets(node)
    )


def _targets(node: Node) -> Iterator[str]:
    for target in node.get("targetList", ()):
        yield target["ResTarget"].get("name", "")
