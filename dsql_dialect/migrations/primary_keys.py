"""Names of primary keys, as the statements of a folder give them in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from dsql_dialect.definitions import constraints
from dsql_dialect.json_tree import words
from dsql_dialect.migrations.names import DEFAULT_SCHEMA, chosen
from dsql_dialect.migrations.probe import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Statement

_LOOKED_AT = frozenset({"Create", "CreateSchema", "AlterTable", "AlterObjectSchema", "Rename", "Drop"})

Table: TypeAlias = "tuple[str, str]"
"""Schema and name of a table."""


class PrimaryKeys:
    """The constraint of each table's primary key, None where it has none; a table in no statement has the default."""

    def __init__(self) -> None:
        self._names: dict[Table, str | None] = {}

    def drops(self, statement: Statement) -> bool:
        """Take note of a statement, and return whether it drops a primary key."""
        if statement.node not in _LOOKED_AT:
            return False
        name, root = tree_of(statement)
        if name == "CreateStmt":
            self._create(root, DEFAULT_SCHEMA)
        elif name == "CreateSchemaStmt":
            schema = root.get("schemaname") or root["authrole"].get("rolename", DEFAULT_SCHEMA)
            for each in root.get("schemaElts", ()):
                if "CreateStmt" in each:
                    self._create(each["CreateStmt"], schema)
        elif name == "DropStmt" and root["removeType"] == "OBJECT_TABLE":
            for each in root["objects"]:
                *schema, table = words(each["List"]["items"])
                self._names.pop((schema[-1] if schema else DEFAULT_SCHEMA, table), None)
        elif name == "RenameStmt":
            self._rename(root)
        elif name == "AlterObjectSchemaStmt" and root["objectType"] == "OBJECT_TABLE":
            _, table = old = _table(root["relation"])
            self._move(old, (root["newschema"], table))
        elif name == "AlterTableStmt":
            return self._dropped(_table(root["relation"]), root["cmds"])
        return False

    def _create(self, create: Node, schema: str) -> None:
        table = _table(create["relation"], schema)
        if not (create.get("if_not_exists") and table in self._names):
            self._names[table] = _constraint(table, create)

    def _move(self, old: Table, new: Table) -> None:
        self._names[new] = self._names.pop(old, _default(old))

    def _rename(self, root: Node) -> None:
        kind = root["renameType"]
        if kind == "OBJECT_TABLE":
            schema, _ = old = _table(root["relation"])
            self._move(old, (schema, root["newname"]))
        elif kind == "OBJECT_TABCONSTRAINT":
            table = _table(root["relation"])
            if self._names.get(table, _default(table)) == root["subname"]:
                self._names[table] = root["newname"]

    def _dropped(self, table: Table, commands: Iterable[Node]) -> bool:
        dropped = [
            each["AlterTableCmd"].get("name")
            for each in commands
            if each["AlterTableCmd"]["subtype"] == "AT_DropConstraint"
        ]
        return self._names.get(table, _default(table)) in dropped


def _table(relation: Node, schema: str = DEFAULT_SCHEMA) -> Table:
    return relation.get("schemaname", schema), relation["relname"]


def _default(table: Table) -> str:
    _, name = table
    return chosen(name, "_pkey")


def _constraint(table: Table, create: Node) -> str | None:
    """Return the name of a table's primary key; one that is copied from another table has the default name."""
    for constraint in constraints(create):
        if constraint["contype"] == "CONSTR_PRIMARY":
            return str(constraint.get("conname", _default(table)))
    copied = any("TableLikeClause" in each for each in create.get("tableElts", ()))
    return _default(table) if copied else None
