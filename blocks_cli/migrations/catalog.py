"""Dump of a database schema as SQL definitions.

The server prints expressions, constraints, indexes, views and functions; this module orders them. Not included are the
migrator's own tables, roles and privileges, which deploys manage, and rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.migrations import catalog_queries as queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from lambda_migrator.admin import Admin

    Row = Mapping[str, Any]

_ACCESS_METHOD = re.compile(r" USING btree(_index)? ")
_INDEX = re.compile(r"^CREATE (?P<unique>UNIQUE )?INDEX (?P<rest>.*)$", re.DOTALL)
_INCLUDE = re.compile(r" INCLUDE \(.*\)$")


@dataclass(frozen=True, slots=True)
class Definition:
    """One database object: kind, qualified name, and the SQL that creates it."""

    kind: str
    name: str
    sql: str


def read_catalog(admin: Admin) -> tuple[Definition, ...]:
    """Return all objects that migrations can create, in a valid order of creation.

    Order and texts depend only on the schema.
    """
    found = [each for query, define in _KINDS for each in define(admin.read(query))]
    return tuple(found)


def render(definitions: Iterable[Definition]) -> str:
    """Return the definitions as one SQL script."""
    return "\n\n".join(f"{each.sql};" for each in definitions)


def _schemas(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        yield Definition("schema", row["name"], f"CREATE SCHEMA {row['name']}")


def _domains(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        parts = [f"CREATE DOMAIN {row['name']} AS {row['type']}"]
        parts += [f"DEFAULT {row['default']}"] if row["default"] else []
        parts += ["NOT NULL"] if row["not_null"] else []
        parts += row["checks"]
        yield Definition("domain", row["name"], "\n    ".join(parts))


def _sequences(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        cycle = " CYCLE" if row["cycle"] else ""
        yield Definition(
            "sequence",
            row["name"],
            f"CREATE SEQUENCE {row['name']} AS {row['type']} INCREMENT BY {row['increment']} "
            f"MINVALUE {row['minimum']} MAXVALUE {row['maximum']} START WITH {row['start']} "
            f"CACHE {row['cache']}{cycle}",
        )


def _tables(rows: Iterable[Row]) -> Iterator[Definition]:
    """Yield the tables, referenced ones first; each row is a column, and the columns of a table are adjacent."""
    lines: dict[str, list[str]] = {}
    constraints: dict[str, list[str]] = {}
    references: dict[str, list[str]] = {}
    for row in rows:
        table = row["table"]
        lines.setdefault(table, []).extend([] if row["column"] is None else [_column(row)])
        constraints[table] = [_INCLUDE.sub("", each) for each in row["constraints"]]
        references[table] = row["references"]
    for table in _referred_first(references):
        body = ",\n".join(f"    {line}" for line in (*lines[table], *constraints[table]))
        yield Definition(
            "table", table, f"CREATE TABLE {table} (\n{body}\n)" if body else f"CREATE TABLE {table} ()"
        )


def _referred_first(references: Mapping[str, Iterable[str]]) -> dict[str, None]:
    """Return the tables in the given order, but each after those it references, except in a cycle."""
    placed: dict[str, None] = {}

    def place(table: str, above: tuple[str, ...]) -> None:
        for referred in references.get(table, ()):
            if referred not in above:
                place(referred, (*above, referred))
        placed.setdefault(table)

    for table in references:
        place(table, (table,))
    return placed


def _column(row: Row) -> str:
    text = f"{row['column']} {row['type']}"
    if row["identity"]:
        always = "ALWAYS" if row["identity"] == "a" else "BY DEFAULT"
        numbers = f"START WITH {row['start']} INCREMENT BY {row['increment']} CACHE {row['cache']}"
        return f"{text} GENERATED {always} AS IDENTITY ({numbers})"
    if row["generated"]:
        text += f" GENERATED ALWAYS AS ({row['default']}) STORED"
    elif row["default"] is not None:
        text += f" DEFAULT {row['default']}"
    return f"{text} NOT NULL" if row["not_null"] else text


def _constraints(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        statement = f"ALTER TABLE {row['table']} ADD CONSTRAINT {row['name']} {row['definition']}"
        yield Definition("constraint", f"{row['table']} {row['name']}", statement)


def _indexes(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        match = _INDEX.match(_ACCESS_METHOD.sub(" ", row["definition"]))
        assert match is not None, row["definition"]
        statement = f"CREATE {match['unique'] or ''}INDEX ASYNC {match['rest']}"
        invalid = "" if row["valid"] else "-- INVALID: its build failed or is still running\n"
        yield Definition("index", row["name"], invalid + statement)


def _views(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        query = row["query"].strip().removesuffix(";")
        yield Definition("view", row["name"], f"CREATE VIEW {row['name']} AS\n{query}")


def _as_told(kind: str) -> Callable[[Iterable[Row]], Iterator[Definition]]:
    def define(rows: Iterable[Row]) -> Iterator[Definition]:
        for row in rows:
            yield Definition(kind, row["name"], row["definition"].strip())

    return define


def _comments(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        statement = f"COMMENT ON {row['object']} {row['name']} IS {row['text']}"
        yield Definition("comment", f"{row['object'].lower()} {row['name']}", statement)


# In a valid order of creation.
_KINDS = (
    (queries.SCHEMAS, _schemas),
    (queries.DOMAINS, _domains),
    (queries.SEQUENCES, _sequences),
    (queries.FUNCTIONS, _as_told("function")),
    (queries.TABLES, _tables),
    (queries.CONSTRAINTS, _constraints),
    (queries.INDEXES, _indexes),
    (queries.STATISTICS, _as_told("statistics")),
    (queries.VIEWS, _views),
    (queries.COMMENTS, _comments),
)
