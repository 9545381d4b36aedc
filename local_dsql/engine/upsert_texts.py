"""Parts of the text of an INSERT … ON CONFLICT: its relation, columns and conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.json_tree import words
from local_dsql.engine.commands import Command, read_text_array, run_checked, text
from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsql_dialect import Statement
    from dsql_dialect.rule import Node
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table

_VIEW = (
    "SELECT ARRAY[pg_catalog.pg_get_viewdef(c.oid)] || ARRAY(SELECT a.attname::pg_catalog.text"
    " FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum)"
    " FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind = 'v'"
)
"""Reads the definition of a view, and the names of its columns."""


def target_relation(insert: Statement) -> Node:
    """Return the node of the relation that an INSERT names."""
    (tree,) = libpg_query.parse(insert.backend_sql.encode())
    relation: Node = tree["stmt"]["InsertStmt"]["relation"]
    return relation


def writes_in_with(insert: Statement) -> bool:
    """Return whether a CTE of an INSERT writes."""
    (tree,) = libpg_query.parse(insert.backend_sql.encode())
    clause = tree["stmt"]["InsertStmt"].get("withClause", {})
    return any("SelectStmt" not in each["CommonTableExpr"]["ctequery"] for each in clause.get("ctes", ()))


def proposes_one_row(insert: Statement) -> bool:
    """Return whether an INSERT has one row of VALUES, or DEFAULT VALUES."""
    (tree,) = libpg_query.parse(insert.backend_sql.encode())
    source = tree["stmt"]["InsertStmt"].get("selectStmt", {}).get("SelectStmt")
    return source is None or len(source.get("valuesLists", ())) == 1


def qualified(relation: Node) -> str:
    """Return the name of a relation as its node has it, with or without its schema."""
    return ".".join(identifier(relation[each]) for each in ("schemaname", "relname") if each in relation)


def before(statement: Statement, offset: int) -> str:
    """Return the text of a statement up to a byte offset."""
    return statement.backend_sql.encode()[:offset].decode()


def with_clause(insert: Statement) -> str:
    """Return the WITH clause in front of an INSERT, empty if there is none."""
    *_, insert_word, _ = libpg_query.scan(before(insert, target_relation(insert)["location"]).encode())
    return before(insert, insert_word.start)


def update_condition(statement: Statement) -> str | None:
    """Return the text of the WHERE clause of DO UPDATE, None if there is none."""
    assert statement.on_conflict is not None
    sql = statement.backend_sql.encode()
    start, depth, updates, last = None, 0, False, ""
    base = statement.on_conflict.offset
    end = len(sql)
    for token in libpg_query.scan(sql[base:]):
        depth += (token.word in ("(", "[")) - (token.word in (")", "]"))
        if depth == 0:
            updates |= token.word == "SET"
            if token.word == "WHERE" and last != "." and updates and start is None:
                start = base + token.end
            if token.word == "RETURNING" and last != ".":
                end = base + token.start
                break
        last = token.word
    return sql[start:end].decode() if start is not None else None


async def target_columns(held: HeldSession, insert: Statement, table: Table) -> Mapping[str, str]:
    """Return the columns that an INSERT fills, with those of the table that they are: those it names, if any."""
    (tree,) = libpg_query.parse(insert.backend_sql.encode())
    node = tree["stmt"]["InsertStmt"]
    shown = await _columns_of(held, qualified(node["relation"]), table)
    named = [each["ResTarget"]["name"] for each in node.get("cols", ())]
    return {name: shown[name] for name in named or shown if shown.get(name) in table.columns}


async def _columns_of(held: HeldSession, name: str, table: Table) -> Mapping[str, str]:
    """Return the columns of a table, or those columns of a view on it that are columns of the table."""
    (result,) = await run_checked(held, [Command(_VIEW, (text(name),), binary=True)])
    if not result.rows:
        return {each: each for each in table.columns}
    definition, *columns = read_text_array(result.rows[0][0])
    (tree,) = libpg_query.parse(definition.encode())
    select = tree["stmt"]["SelectStmt"]
    below = await _columns_of(held, qualified(select["fromClause"][0]["RangeVar"]), table)
    targets = zip(columns, select["targetList"], strict=True)
    fields = {
        column: target["ResTarget"]["val"].get("ColumnRef", {}).get("fields", ())
        for column, target in targets
    }
    return {
        column: below[words(named)[-1]]
        for column, named in fields.items()
        if named and words(named)[-1] in below
    }
