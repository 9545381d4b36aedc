"""INSERT statements of constants: those of a dump differ in their values only, and one of them is judged for all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from dsql_dialect.position import Position
    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Statement

_OF_INSERT = frozenset({"relation", "cols", "selectStmt", "override"})
_OF_SELECT = frozenset({"valuesLists", "limitOption", "op"})
_OF_COLUMN = frozenset({"name", "location"})
_OF_NATIONAL = frozenset({"names", "typemod", "location"})
_BPCHAR = [{"String": {"sval": "pg_catalog"}}, {"String": {"sval": "bpchar"}}]

Shape: TypeAlias = "tuple[object, ...]"


def shape(insert: Node) -> Shape | None:
    """Return the table, columns and number of rows of an INSERT of constants; None for any other INSERT.

    Rules, kinds, traits and names depend on nothing else: no rule looks at a constant, but one may count rows.
    """
    select = insert.get("selectStmt", {}).get("SelectStmt", {})
    rows = select.get("valuesLists")
    if not rows or not insert.keys() <= _OF_INSERT or not select.keys() <= _OF_SELECT:
        return None
    national = False
    for row in rows:
        for value in row["List"]["items"]:
            if "A_Const" not in value:
                if not _is_national(value):
                    return None
                national = True
    relation = insert["relation"]
    found = [
        relation.get("catalogname"),
        relation.get("schemaname"),
        relation["relname"],
        insert.get("override"),
    ]
    for each in insert.get("cols", ()):
        column = each["ResTarget"]
        if column.keys() != _OF_COLUMN:
            return None
        found.append(column["name"])
    return (len(rows), national, *found)


def _is_national(value: Node) -> bool:
    """Return whether a value is a text written as N'…': the parser makes a cast of it."""
    cast = value.get("TypeCast", {})
    type_name = cast.get("typeName", {})
    return type_name.keys() == _OF_NATIONAL and type_name["names"] == _BPCHAR and "A_Const" in cast["arg"]


def can_stand_for_others(statement: Statement) -> bool:
    """Return whether nothing in a statement depends on its place or its values."""
    return not statement.findings and statement.backend_sql == statement.text


def with_text(statement: Statement, text: str, position: Position) -> Statement:
    """Return the statement of another text of the same shape."""
    return replace(statement, text=text, backend_sql=text, position=position)
