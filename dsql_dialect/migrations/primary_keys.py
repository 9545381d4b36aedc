"""Names of primary keys, as the statements of a folder give them in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.definitions import constraints
from dsql_dialect.migrations.probe import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Statement

_LOOKED_AT = frozenset({"Create", "AlterTable", "Rename", "Drop"})


class PrimaryKeys:
    """The constraint of each table's primary key, None where it has none; a table in no statement has the default."""

    def __init__(self) -> None:
        self._names: dict[str, str | None] = {}

    def drops(self, statement: Statement) -> bool:
        """Take note of a statement, and return whether it drops a primary key."""
        if statement.node not in _LOOKED_AT:
            return False
        name, root = tree_of(statement)
        if name == "CreateStmt":
            table = root["relation"]["relname"]
            self._names[table] = _constraint(table, root)
        elif name == "DropStmt" and root["removeType"] == "OBJECT_TABLE":
            for each in root["objects"]:
                self._names.pop(each["List"]["items"][-1]["String"]["sval"], None)
        elif name == "RenameStmt":
            self._rename(root)
        elif name == "AlterTableStmt":
            return self._dropped(root["relation"]["relname"], root["cmds"])
        return False

    def _rename(self, root: Node) -> None:
        kind, old = root["renameType"], root.get("relation", {}).get("relname")
        if kind == "OBJECT_TABLE":
            self._names[root["newname"]] = self._names.pop(old, _default(old))
        elif kind == "OBJECT_TABCONSTRAINT" and self._names.get(old, _default(old)) == root.get("subname"):
            self._names[old] = root["newname"]

    def _dropped(self, table: str, commands: Iterable[Node]) -> bool:
        dropped = [
            each["AlterTableCmd"].get("name")
            for each in commands
            if each["AlterTableCmd"]["subtype"] == "AT_DropConstraint"
        ]
        return self._names.get(table, _default(table)) in dropped


def _default(table: str) -> str:
    return f"{table}_pkey"


def _constraint(table: str, create: Node) -> str | None:
    """Return the name of a table's primary key; one that is copied from another table has the default name."""
    for constraint in constraints(create):
        if constraint["contype"] == "CONSTR_PRIMARY":
            return str(constraint.get("conname", _default(table)))
    copied = any("TableLikeClause" in each for each in create.get("tableElts", ()))
    return _default(table) if copied else None
