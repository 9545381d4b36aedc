"""Find statements that change the tables of the migrator, and views on them; other queries on them are allowed.

A view counts as a table for grants, and reads with the rights of its owner: it would show the table to every grantee.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dsql_dialect import bodies
from dsql_dialect.json_tree import walk, words
from dsql_dialect.libpg_query import SqlSyntaxError
from dsql_dialect.migrations.names import DEFAULT_SCHEMA
from dsql_dialect.migrations.probe import tree_of
from dsql_dialect.plpgsql_bodies import trees_of_body
from migration_manifest import JOURNAL, MIGRATOR_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Statement

_CHANGING = frozenset(
    {
        *("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "TruncateStmt", "into", "intoClause"),
        *(
            "CreateStmt",
            "ViewStmt",
            "CreateSeqStmt",
            "AlterSeqStmt",
            "IndexStmt",
            "CreateTrigStmt",
            "RuleStmt",
        ),
        *("AlterTableStmt", "AlterObjectSchemaStmt", "RenameStmt", "DropStmt", "GrantStmt", "CommentStmt"),
        *("CreatePolicyStmt", "AlterPolicyStmt", "Constraint"),
    }
)
"""Nodes that name a relation to change or create it; a foreign key adds triggers to the table that it refers to."""
_RELATIONS = ("relation", "rel", "view", "sequence", "table", "pktable")
"""Fields of these nodes with one relation."""
_LISTS = ("relations", "objects")
_NAMED = frozenset({"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_SEQUENCE", "OBJECT_INDEX"})
"""Kinds of objects in the name space of tables."""
_OF_SCHEMAS = frozenset({"Drop", "Rename"})
"""Nodes that may name a schema with all of its tables."""
_MARKS = (*MIGRATOR_TABLES, "u&")
"""Parts of each text, in small letters, that names a table; `U&"\\005f…"` spells a name in other characters."""


def changed(statement: Statement) -> str | None:
    """Return the table of the migrator that a statement changes or puts into a view, or None."""
    text = statement.text.lower()
    marks = (*_MARKS, DEFAULT_SCHEMA) if statement.node in _OF_SCHEMAS else _MARKS
    if statement.is_unreadable or not any(mark in text for mark in marks):
        return None
    name, root = tree_of(statement)
    if name == "CreateSchemaStmt":  # what it creates is in the new schema
        return None
    trees = [{name: root}]
    if name == "CreateFunctionStmt":
        trees += _of_body(statement, root)
    found = (each for tree in trees for each in (*_changed(tree), *_viewed(tree)))
    return next(
        (name for schema, name in found if schema == DEFAULT_SCHEMA and name in MIGRATOR_TABLES), None
    )


def _of_body(statement: Statement, root: Node) -> list[Node]:
    if statement.has_plpgsql:
        return [tree for tree, _ in trees_of_body(root, statement.text.encode())]
    with contextlib.suppress(SqlSyntaxError):  # the finding of another rule
        return bodies.statements(bodies.body(root) or "")
    return []


def _changed(tree: Node) -> Iterator[tuple[str, str]]:
    """Yield schema and name of the relations that a tree changes or creates."""
    for kind, node in walk(tree, _CHANGING):
        for field in _RELATIONS:
            if field in node:
                yield _relation(node[field])
        for field in _LISTS:
            yield from (_relation(each["RangeVar"]) for each in node.get(field, ()) if "RangeVar" in each)
        if kind == "IndexStmt" and "idxname" in node:
            yield _schema(node["relation"]), node["idxname"]
        elif kind == "RenameStmt" and node["renameType"] in _NAMED:
            yield _schema(node["relation"]), node["newname"]
        elif kind == "AlterObjectSchemaStmt" and "relation" in node:
            yield node["newschema"], node["relation"]["relname"]
        elif (kind == "DropStmt" and {"String": {"sval": DEFAULT_SCHEMA}} in node["objects"]) or (
            (node.get("renameType"), node.get("subname")) == ("OBJECT_SCHEMA", DEFAULT_SCHEMA)
        ):
            yield DEFAULT_SCHEMA, JOURNAL
        elif kind == "DropStmt" and node["removeType"] in _NAMED:
            yield from (_named(each["List"]["items"]) for each in node["objects"])
        elif kind == "CommentStmt" and node["objtype"] in _NAMED:
            yield _named(node["object"]["List"]["items"])
        elif kind == "CommentStmt" and node["objtype"] == "OBJECT_COLUMN":
            yield _named(node["object"]["List"]["items"][:-1])


def _viewed(tree: Node) -> Iterator[tuple[str, str]]:
    """Yield schema and name of the relations that a view reads, without those that its WITH clauses name."""
    for _, view in walk(tree, frozenset({"ViewStmt"})):
        named = {node["ctename"] for _, node in walk(view["query"], frozenset({"CommonTableExpr"}))}
        for _, node in walk(view["query"], frozenset({"RangeVar"})):
            if "schemaname" in node or node["relname"] not in named:
                yield _relation(node)


def _relation(node: Node) -> tuple[str, str]:
    return _schema(node), node["relname"]


def _schema(relation: Node) -> str:
    schema: str = relation.get("schemaname", DEFAULT_SCHEMA)
    return schema


def _named(names: list[Node]) -> tuple[str, str]:
    *schema, name = words(names)
    return (schema[-1] if schema else DEFAULT_SCHEMA), name
