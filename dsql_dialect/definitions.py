"""Columns and constraints that a statement defines, as nodes of their own.

In a parse tree they are parts of different statements. A rule looks at `column` (of CREATE TABLE, ADD COLUMN; a domain
counts as one), at `CONSTR_FOREIGN` and its like (of CREATE TABLE), at `added constraint` (of ALTER TABLE … ADD
CONSTRAINT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dsql_dialect.rule import Node

COLUMN, ADDED_CONSTRAINT = "column", "added constraint"


def with_definitions(seen: Iterable[tuple[str, Node]]) -> Iterator[tuple[str, Node]]:
    """Yield each node, and behind it the columns and constraints that it defines."""
    for key, node in seen:
        yield key, node
        if key == "CreateStmt":
            yield from ((COLUMN, column) for column in columns(node))
            yield from ((constraint["contype"], constraint) for constraint in constraints(node))
        elif key == "CreateDomainStmt":
            yield COLUMN, node
        elif key == "AlterTableCmd":
            if node["subtype"] == "AT_AddColumn":
                yield COLUMN, node["def"]["ColumnDef"]
            elif node["subtype"] == "AT_AddConstraint":
                yield ADDED_CONSTRAINT, node["def"]["Constraint"]


def columns(create_table: Node) -> Iterator[Node]:
    """Yield the columns of a CREATE TABLE; those of PARTITION OF and of typed tables have no `typeName`."""
    return (each["ColumnDef"] for each in create_table.get("tableElts", ()) if "ColumnDef" in each)


def constraints(create_table: Node) -> Iterator[Node]:
    """Yield the constraints of a CREATE TABLE in the order of the text, those of columns included."""
    for element in create_table.get("tableElts", ()):
        if "Constraint" in element:
            yield element["Constraint"]
        elif "ColumnDef" in element:
            yield from (each["Constraint"] for each in element["ColumnDef"].get("constraints", ()))
