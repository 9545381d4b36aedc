"""Changes from one dialect to a newer one, and the work-arounds in migrations that they make unnecessary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsql_dialect.json_tree import walk, words
from dsql_dialect.migrations.files import SqlFile, read_folder
from dsql_dialect.parser import parse
from dsql_dialect.position import Source
from dsql_dialect.prepass import pieces
from dsql_dialect.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date
    from pathlib import Path

    from dsql_dialect.position import Position
    from dsql_dialect.profiles import Profile
    from dsql_dialect.rule import Node, Rule

FOREIGN_KEY, EXPRESSION_INDEX, JSONB = "foreign-key", "expression-index", "jsonb-column"
"""The rules whose work-arounds can be seen in SQL."""
_WANTED = frozenset({"CreateStmt", "IndexStmt"})
_KEYS = frozenset({"CONSTR_FOREIGN", "CONSTR_PRIMARY"})


@dataclass(frozen=True, slots=True)
class Use:
    """A work-around for a rule, at a line of a file; `text` says what the newer dialect allows instead."""

    rule: Rule
    path: Path
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a CREATE TABLE, with the name of its type and the kinds of its constraints."""

    table: str
    name: str
    type: str
    constraints: frozenset[str]
    path: Path
    position: Position


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the answer to a rule's refused example on the day `since`: SQLSTATE and text, None: accepted."""

    rule: Rule
    since: date
    before: str | None
    after: str | None


def changes(before: Profile, after: Profile) -> tuple[Change, ...]:
    """Return the rules whose examples a newer dialect answers otherwise, in the order of the days."""
    found = (_change(rule, before, after) for rule in RULES.values())
    return tuple(sorted(filter(None, found), key=lambda each: (each.since, each.rule.id)))


def _change(rule: Rule, before: Profile, after: Profile) -> Change | None:
    refused, refuses = rule.refuses(before), rule.refuses(after)
    later = rule.later_answer(after) if refused and refuses and not rule.later_answer(before) else None
    since = later.since if later is not None else rule.lifted if refused else rule.since
    if since is None or (later is None and refused == refuses):
        return None
    if not refused and any(each.rule.lifted == since for each in parse(rule.refused, before).findings):
        return None  # a part of what the older dialect refuses as a whole
    return Change(rule, since, _answer(rule, before), _answer(rule, after))


def _answer(rule: Rule, dialect: Profile) -> str | None:
    """Return the answer of a rule to its refused example."""
    found = (each for each in parse(rule.refused, dialect).findings if each.rule is rule)
    return next((f"{each.sqlstate} {each.message}" for each in found), None)


def uses(folder: Path, changed: Iterable[Rule]) -> list[Use]:
    """Return the work-arounds in a folder of migrations for rules that no longer refuse, by file and line.

    Found are columns `x_id` without a foreign key where the folder creates a table x, columns of type json, and stored
    generated columns that an index has as its key. Files that cannot be parsed are left out.
    """
    columns: list[_Column] = []
    indexed: dict[tuple[str, str], str] = {}
    for file in read_folder(folder).sql:
        for position, node_name, node in _nodes(file):
            if node_name == "CreateStmt":
                columns += _columns(node, file.path, position)
            else:
                table = node["relation"]["relname"]
                for key in node.get("indexParams", ()):
                    indexed[table, key["IndexElem"].get("name", "")] = node.get("idxname", "")
    wanted = {each.id: each for each in changed}
    tables = {each.table for each in columns}
    found = [
        Use(wanted[rule], column.path, column.position.line, text)
        for column in columns
        for rule, text in _instead(column, tables, indexed)
        if rule in wanted
    ]
    return sorted(found, key=lambda each: (str(each.path), each.line))


def _nodes(file: SqlFile) -> Iterator[tuple[Position, str, Node]]:
    """Yield the tables and indexes that a file creates, each with the start of its statement."""
    source = Source(file.text)
    for piece in pieces(source):
        if piece.error is None and piece.iam is None:
            for name, node in walk(piece.tree, _WANTED):
                yield source.position(piece.start), name, node


def _columns(node: Node, path: Path, position: Position) -> Iterator[_Column]:
    table = node["relation"]["relname"]
    of_table: dict[str, set[str]] = {}
    for each in node.get("tableElts", ()):
        if "Constraint" in each:
            constraint = each["Constraint"]
            for name in words([*constraint.get("fk_attrs", ()), *constraint.get("keys", ())]):
                of_table.setdefault(name, set()).add(constraint["contype"])
    for each in node.get("tableElts", ()):
        if "ColumnDef" in each:
            column = each["ColumnDef"]
            kinds = {one["Constraint"]["contype"] for one in column.get("constraints", ())}
            yield _Column(
                table,
                column["colname"],
                (words(column["typeName"].get("names", [])) or [""])[-1],
                frozenset(kinds | of_table.get(column["colname"], set())),
                path,
                position,
            )


def _instead(
    column: _Column, tables: set[str], indexed: dict[tuple[str, str], str]
) -> Iterator[tuple[str, str]]:
    """Yield the rules that a column may work around, each with what is possible without the rule."""
    place = f"{column.table}.{column.name}"
    parent = _parent(column.name, tables - {column.table})
    if parent is not None and not column.constraints & _KEYS:
        yield FOREIGN_KEY, f"{place} can be a foreign key: REFERENCES {parent}"
    if column.type == "json":
        yield JSONB, f"{place} is json; the type jsonb is possible"
    index = indexed.get((column.table, column.name))
    if index is not None and "CONSTR_GENERATED" in column.constraints:
        yield (
            EXPRESSION_INDEX,
            f"{place} is generated for index {index}; an index on the expression is possible",
        )


def _parent(column: str, tables: set[str]) -> str | None:
    """Return the table that the name of a column refers to: `account_id` to `account` or `accounts`."""
    stem = column.removesuffix("_id")
    if stem == column:
        return None
    plural = f"{stem.removesuffix('y')}ies" if stem.endswith("y") else f"{stem}es"
    return next((each for each in (stem, f"{stem}s", plural) if each in tables), None)
