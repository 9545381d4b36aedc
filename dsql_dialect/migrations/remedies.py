"""Parts of remedies that are read from the statement: the name for an index, the value of a sequence."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from dsql_dialect import libpg_query
from dsql_dialect.json_tree import unwrap, walk, words
from dsql_dialect.libpg_query import SqlSyntaxError
from dsql_dialect.migrations.names import chosen
from dsql_dialect.migrations.probe import tree_of

if TYPE_CHECKING:
    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Statement

_LONGEST_BIGINT = 19
"""Digits."""


def index_name(statement: Statement) -> dict[str, str]:
    """Return `unique`, `table` and `name`, as PostgreSQL would choose it, of a CREATE INDEX without a name."""
    _, root = tree_of(statement)
    columns = [*root["indexParams"], *root.get("indexIncludingParams", ())]
    keys = [_key(each["IndexElem"]) for each in columns]
    table: str = root["relation"]["relname"]
    schema = root["relation"].get("schemaname")
    return {
        "unique": "UNIQUE " if root.get("unique") else "",
        "name": _quoted(chosen("_".join([table, *keys]), "_idx")),
        "table": ".".join(_quoted(each) for each in (schema, table) if each is not None),
    }


def _key(element: Node) -> str:
    if "name" in element:
        return str(element["name"])
    kind, expression = unwrap(element["expr"])
    return words(expression["funcname"])[-1] if kind == "FuncCall" else "expr"


def _quoted(name: str) -> str:
    """Return a name as SQL: with quotes if PostgreSQL would read it differently without them, as a reserved word."""
    return name if _is_plain(name) else '"' + name.replace('"', '""') + '"'


def _is_plain(name: str) -> bool:
    if not name.isidentifier():
        return False
    try:
        statement = libpg_query.parse(f"DROP INDEX {name}".encode())[0]["stmt"]
    except SqlSyntaxError:
        return False
    return bool(words(statement["DropStmt"]["objects"][0]["List"]["items"]) == [name])


def sequence_value(statement: Statement) -> dict[str, str]:
    """Return the `sequence` and the next `value` of the first setval() in a query, in words if they are computed."""
    name, root = tree_of(statement)
    for _, call in walk({name: root}, {"FuncCall"}):
        if words(call["funcname"])[-1] == "setval":
            return _set_by(call.get("args", []))
    return _set_by([])


def _set_by(arguments: list[Node]) -> dict[str, str]:
    sequence, value, called = [*map(_constant, arguments), None, None, None][:3]
    if isinstance(value, int) and called is not False:
        value += 1
    return {
        "sequence": "…" if sequence is None else str(sequence),
        "value": "the next value" if value is None else str(value),
    }


def _constant(node: Node) -> str | int | bool | None:
    """Return a constant, of any type that it is cast to, or None for another expression."""
    constant = node.get("TypeCast", {}).get("arg", node).get("A_Const", {})
    if "sval" in constant:
        return str(constant["sval"].get("sval", ""))
    if "boolval" in constant:
        return bool(constant["boolval"].get("boolval", False))
    if "fval" in constant:
        number = Decimal(constant["fval"]["fval"])
        return int(number) if number.adjusted() < _LONGEST_BIGINT else None
    return int(constant["ival"].get("ival", 0)) if "ival" in constant else None
