"""Names of types as PostgreSQL shows them, for any alias of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.json_tree import words

if TYPE_CHECKING:
    from dsql_dialect.rule import Node

_SHOWN = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "bpchar": "character",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varbit": "bit varying",
    "decimal": "numeric",
    "dec": "numeric",
    "int": "integer",
}


def base_name(type_name: Node) -> str | None:
    """Return the name of a built-in type or of one that has no schema, or None for another schema's type."""
    names = type_name.get("names", ())
    if len(names) == 1 or (len(names) == 2 and names[0]["String"]["sval"] == "pg_catalog"):
        name: str = names[-1]["String"]["sval"]
        return name
    return None


def is_array(type_name: Node) -> bool:
    """Return whether a type is written as an array: `int[]`, `int ARRAY`."""
    return bool(type_name.get("arrayBounds"))


def shown(type_name: Node) -> str:
    """Return a type as PostgreSQL shows it, without length or precision: `int4[]` is `integer[]`."""
    name = base_name(type_name)
    plain = ".".join(words(type_name.get("names", []))) if name is None else _SHOWN.get(name, name)
    return f"{plain}[]" if is_array(type_name) else plain


def modifiers(type_name: Node) -> list[int]:
    """Return the numbers in parentheses behind a type: the length of `varchar(20)`, precision and scale of numeric."""
    constants = (each.get("A_Const", {}) for each in type_name.get("typmods", ()))
    return [constant["ival"].get("ival", 0) for constant in constants if "ival" in constant]


def declared_length(type_name: Node | None) -> int:
    """Return the length with which a column of type char or varchar is declared, 0 for others."""
    if type_name is None or base_name(type_name) not in ("bpchar", "varchar"):
        return 0
    return next(iter(modifiers(type_name)), 0)
