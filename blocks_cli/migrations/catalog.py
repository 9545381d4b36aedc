"""Dump of a database schema as SQL definitions.

The server prints expressions, constraints, indexes, views and functions; this module orders them. Not included are the
migrator's own tables, roles and privileges, which deploys manage, and rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blocks_cli.migrations import catalog_queries as queries
from blocks_cli.migrations.definitions import Definition, in_order_of_creation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from lambda_migrator.admin import AdminConnection

    Row = Mapping[str, Any]

__all__ = ["Definition", "read_catalog", "render"]

_ACCESS_METHOD = re.compile(r" USING btree(_index)? ")
_INDEX = re.compile(r"^CREATE (?P<unique>UNIQUE )?INDEX (?P<rest>.*)$", re.DOTALL)
_INCLUDE = re.compile(r"(?P<key> PRIMARY KEY \(.*?\)) INCLUDE \(.*\)$")
"""The clause that a cluster adds to every primary key."""

_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_HIGHEST = 2**63 - 1


def read_catalog(admin: AdminConnection) -> tuple[Definition, ...]:
    """Return all objects that migrations can create, in a valid order of creation.

    Order and texts depend only on the schema.
    """
    references = [*admin.read(queries.REFERENCES)]
    tables = [*_tables(admin.read(queries.TABLES), references)]
    found = [each for query, define in _BEFORE_TABLES for each in define(admin.read(query))]
    views = [*_views(admin.read(queries.VIEWS))]
    ordered = in_order_of_creation([*found, *tables, *views])
    later = [each for query, define in _BEHIND_TABLES for each in define(admin.read(query))]
    return (*ordered, *_references_back(ordered, references), *later)


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


def _sequence_owners(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        yield Definition(
            "sequence owner", row["name"], f"ALTER SEQUENCE {row['name']} OWNED BY {row['column']}"
        )


def _tables(rows: Iterable[Row], references: Iterable[Row]) -> Iterator[Definition]:
    """Yield the tables; each row is a column, and the columns of a table are adjacent.

    A foreign key is part of its table, unless the other table refers to this one, directly or not: then one of the two
    is added later.
    """
    lines: dict[str, list[str]] = {}
    constraints: dict[str, list[str]] = {}
    for row in rows:
        table = row["table"]
        lines.setdefault(table, []).extend([] if row["column"] is None else [_column(row)])
        constraints[table] = [_INCLUDE.sub(r"\g<key>", each) for each in row["constraints"]]
    after: dict[str, list[str]] = {table: [] for table in lines}
    for row in references:
        after[row["table"]].append(row["references"])
    placed = _referred_first(after)
    for row in references:
        if not _refers_back(row, placed):
            constraints[row["table"]].append(f"CONSTRAINT {row['name']} {row['definition']}")
    for table in placed:
        body = ",\n".join(f"    {line}" for line in (*lines[table], *constraints[table]))
        statement = f"CREATE TABLE {table} (\n{body}\n)" if body else f"CREATE TABLE {table} ()"
        earlier = tuple(each for each in after[table] if placed[each] < placed[table])
        yield Definition("table", table, statement, after=earlier)


def _refers_back(reference: Row, placed: Mapping[str, int]) -> bool:
    """Return whether a foreign key refers to a table that is created later."""
    return placed[reference["references"]] > placed[reference["table"]]


def _references_back(tables: Iterable[Definition], references: Iterable[Row]) -> Iterator[Definition]:
    """Yield the foreign keys that are not part of their table, and their validation."""
    bodies = {each.name: each.sql for each in tables if each.kind == "table"}
    for row in references:
        table, name = row["table"], row["name"]
        if f"    CONSTRAINT {name} FOREIGN KEY" not in bodies[table]:
            statement = f"ALTER TABLE {table} ADD CONSTRAINT {name} {row['definition']} NOT VALID"
            yield Definition("constraint", f"{table} {name}", statement)
            validation = f"ALTER TABLE ASYNC {table} VALIDATE CONSTRAINT {name}"
            yield Definition("validation", f"{table} {name}", validation)


def _referred_first(references: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Return the tables, numbered in the given order, but each after those it references, except in a cycle."""
    placed: dict[str, int] = {}

    def place(table: str, above: tuple[str, ...]) -> None:
        for referred in references.get(table, ()):
            if referred not in above and referred not in placed:
                place(referred, (*above, referred))
        placed.setdefault(table, len(placed))

    for table in references:
        place(table, (table,))
    return placed


def _column(row: Row) -> str:
    text = f"{row['column']} {row['type']}"
    if row["storage"]:
        text += f" STORAGE {_STORAGE[row['storage']]}"
    if row["identity"]:
        always = "ALWAYS" if row["identity"] == "a" else "BY DEFAULT"
        return f"{text} GENERATED {always} AS IDENTITY ({_numbers(row)})"
    if row["generated"]:
        text += f" GENERATED ALWAYS AS ({row['default']}) STORED"
    elif row["default"] is not None:
        text += f" DEFAULT {row['default']}"
    return f"{text} NOT NULL" if row["not_null"] else text


def _numbers(row: Row) -> str:
    """Return the options of an identity column; bounds and name only where they are not the default ones."""
    lowest, highest = (1, _HIGHEST) if row["increment"] > 0 else (-_HIGHEST - 1, -1)
    parts = [f"SEQUENCE NAME {row['sequence']}"] if row["sequence"] else []
    parts.append(f"START WITH {row['start']} INCREMENT BY {row['increment']}")
    parts += [f"MINVALUE {row['minimum']}"] if row["minimum"] != lowest else []
    parts += [f"MAXVALUE {row['maximum']}"] if row["maximum"] != highest else []
    parts.append(f"CACHE {row['cache']}")
    return " ".join([*parts, *(["CYCLE"] if row["cycle"] else [])])


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


def _statistics(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        yield Definition("statistics", row["name"], row["definition"].strip())
        if row["target"] >= 0:
            statement = f"ALTER STATISTICS {row['name']} SET STATISTICS {row['target']}"
            yield Definition("statistics target", row["name"], statement)


def _views(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        query = row["query"].strip().removesuffix(";")
        options = f" WITH ({', '.join(row['options'])})" if row["options"] else ""
        yield Definition("view", row["name"], f"CREATE VIEW {row['name']}{options} AS\n{query}")


def _view_defaults(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        statement = f"ALTER VIEW {row['view']} ALTER COLUMN {row['column']} SET DEFAULT {row['default']}"
        yield Definition("view default", f"{row['view']}.{row['column']}", statement)


def _as_told(kind: str) -> Callable[[Iterable[Row]], Iterator[Definition]]:
    def define(rows: Iterable[Row]) -> Iterator[Definition]:
        for row in rows:
            yield Definition(kind, row["name"], row["definition"].strip())

    return define


def _comments(rows: Iterable[Row]) -> Iterator[Definition]:
    for row in rows:
        statement = f"COMMENT ON {row['object']} {row['name']} IS {row['text']}"
        yield Definition("comment", f"{row['object'].lower()} {row['name']}", statement)


# Before the tables, but for a function whose body mentions one.
_BEFORE_TABLES = (
    (queries.SCHEMAS, _schemas),
    (queries.DOMAINS, _domains),
    (queries.SEQUENCES, _sequences),
    (queries.FUNCTIONS, _as_told("function")),
)
_BEHIND_TABLES = (
    (queries.SEQUENCE_OWNERS, _sequence_owners),
    (queries.CONSTRAINTS, _constraints),
    (queries.INDEXES, _indexes),
    (queries.STATISTICS, _statistics),
    (queries.VIEW_DEFAULTS, _view_defaults),
    (queries.COMMENTS, _comments),
)
