"""What a statement changes, by its text: tables it writes to, columns it assigns to, tables it gives another shape."""

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
    """Names of tables, in lower case and without schema; names of columns; how many writes the statement nests.

    `mentioned` are all relations that it names, those that it writes to among them.
    """

    tables: frozenset[str]
    mentioned: frozenset[str]
    assigned: frozenset[str]
    writes: int


NOTHING = Targets(frozenset(), frozenset(), frozenset(), 0)


def targets(sql: str) -> Targets:
    """Return what a statement writes to."""
    return _read(sql) if len(sql) > 32_768 else _read_kept(sql)


def _read(sql: str) -> Targets:
    nodes = [
        found
        for tree in libpg_query.parse(sql.encode())
        for found in json_tree.walk(tree, _WRITING | _ASSIGNING | {"RangeVar"})
    ]
    writing = [node for name, node in nodes if name in _WRITING]
    written = frozenset(node["relation"]["relname"].lower() for node in writing if "relation" in node)
    return Targets(
        written,
        written | {node["relname"].lower() for name, node in nodes if name == "RangeVar"},
        frozenset(column for name, node in nodes if name in _ASSIGNING for column in _assigned(node)),
        len(writing),
    )


_read_kept = lru_cache(maxsize=4096)(_read)


def _assigned(node: Node) -> Iterator[str]:
    for target in node.get("targetList", ()):
        yield target["ResTarget"].get("name", "")


def reshaped(sql: str) -> frozenset[str] | None:
    """Return the names, in lower case, of the tables whose shape a DDL statement makes or changes.

    None: some, and nobody knows which. What migrations mostly do is known, a new table or column without foreign keys.
    """
    trees = libpg_query.parse(sql.encode())
    if len(trees) != 1:
        return None
    (name, node), *_ = trees[0]["stmt"].items()
    known = {"CreateStmt": _makes_only_itself, "AlterTableStmt": _adds_columns}.get(name)
    return frozenset({node["relation"]["relname"].lower()}) if known is not None and known(node) else None


def _makes_only_itself(create: Node) -> bool:
    if "inhRelations" in create or "partbound" in create:
        return False
    return not any(
        constraint.get("contype") == "CONSTR_FOREIGN"
        for _, constraint in json_tree.walk(create, frozenset({"Constraint"}))
    )


def _adds_columns(alter: Node) -> bool:
    commands = [command["AlterTableCmd"] for command in alter["cmds"]]
    return alter.get("objtype") == "OBJECT_TABLE" and all(
        command["subtype"] == "AT_AddColumn" and "constraints" not in command["def"]["ColumnDef"]
        for command in commands
    )
