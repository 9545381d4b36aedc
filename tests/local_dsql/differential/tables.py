"""Tables of the oracle as PostgreSQL's catalog describes them, and the query that shows what a transaction did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.wire.sql import identifier
from tests.local_dsql.differential.wire_session import HIDDEN_COLUMN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.local_dsql.differential.wire_session import Row

    Ask = Callable[[str], Sequence[Row]]

_COLUMNS = f"""
SELECT c.relname, json_agg(json_build_array(a.attname, a.attgenerated <> '', a.attidentity <> '',
       (SELECT format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) FROM pg_type t WHERE t.oid = a.atttypid))
       ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r' AND a.attname <> '{HIDDEN_COLUMN}' GROUP BY 1 ORDER BY 1
"""
_EMPTY = """SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r' ORDER BY 1"""
_INDEXES = """
SELECT c.relname, json_agg(json_build_array(
       (SELECT json_agg(pg_get_indexdef(i.indexrelid, k, true) ORDER BY k) FROM generate_series(1, i.indnkeyatts) k),
       pg_get_expr(i.indpred, i.indrelid, true), i.indnullsnotdistinct,
       i.indpred IS NULL AND i.indexprs IS NULL,
       (SELECT json_agg(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)))
       ORDER BY i.indexrelid)
FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique
WHERE c.relnamespace = %s::regnamespace GROUP BY 1
"""
_REFERENCES = """
SELECT json_build_array(c.relname, p.relname, f.condeferrable, f.condeferred,
       (SELECT json_agg(a.attname ORDER BY n) FROM unnest(f.conkey) WITH ORDINALITY k (k, n)
          JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k),
       (SELECT json_agg(a.attname ORDER BY n) FROM unnest(f.confkey) WITH ORDINALITY k (k, n)
          JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k))
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
WHERE f.contype = 'f' AND c.relnamespace = %s::regnamespace ORDER BY c.relname, f.conname
"""

# What must not depend on the session's settings: time zone, DateStyle, digits of floats, encoding.
_CANONICAL = {
    "numeric": "trim_scale({0}::numeric)::text",
    "real": "encode(float8send({0}::float8 + 0.0), 'hex')",
    "double precision": "encode(float8send({0}::float8 + 0.0), 'hex')",
    "date": "encode(date_send({0}::date), 'hex')",
    "timestamp with time zone": "encode(timestamptz_send({0}), 'hex')",
    "timestamp without time zone": "encode(timestamp_send({0}), 'hex')",
    "time without time zone": "encode(time_send({0}), 'hex')",
    "integer": "{0}::text",
    "bigint": "{0}::text",
    "smallint": "{0}::text",
    "uuid": "{0}::text",
    "boolean": "{0}::text",
}
"""Equal texts for equal values of a type."""
_TEXT = "encode(convert_to({0}::text, 'UTF8'), 'hex')"
_EXACT = _CANONICAL | {
    "numeric": "encode(numeric_send({0}::numeric), 'hex')",
    "real": "encode(float8send({0}::float8), 'hex')",
    "double precision": "encode(float8send({0}::float8), 'hex')",
}
"""Equal texts for what PostgreSQL stores in the same bytes."""


@dataclass(frozen=True)
class Column:
    """A column; `kind` is the type beneath a domain."""

    name: str
    generated: bool
    identity: bool
    kind: str

    def canonical(self, exact: bool = False) -> str:
        """Return an expression of its text."""
        return (_EXACT if exact else _CANONICAL).get(self.kind, _TEXT).format(f"t.{identifier(self.name)}")


@dataclass(frozen=True)
class Unique:
    """A unique index; `is_key`: neither partial nor on an expression."""

    expressions: tuple[str, ...]
    predicate: str | None
    nulls_equal: bool
    is_key: bool
    columns: tuple[str, ...]

    def key(self) -> str:
        """Return an expression of its entry, NULL where a row has none that another could equal."""
        texts = ", ".join(f"({each})::text" for each in self.expressions)
        entry = _TEXT.format(f"json_build_array({texts})")
        conditions = [] if self.predicate is None else [f"({self.predicate})"]
        if not self.nulls_equal:
            conditions += [f"({each}) IS NOT NULL" for each in self.expressions]
        return f"CASE WHEN {' AND '.join(conditions) or 'true'} THEN {entry} END"


@dataclass(frozen=True)
class Reference:
    """A foreign key."""

    child: str
    parent: str
    deferrable: bool
    deferred: bool
    columns: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table, its unique indexes and its foreign keys."""

    name: str
    columns: tuple[Column, ...]
    uniques: tuple[Unique, ...]
    references: tuple[Reference, ...]
    targets: tuple[tuple[str, ...], ...]
    """Sets of its columns that foreign keys refer to."""

    @property
    def stored(self) -> str:
        """Columns that an INSERT of a whole row names, with the hidden one."""
        names = [identifier(column.name) for column in self.columns if not column.generated]
        return ", ".join([*names, HIDDEN_COLUMN])

    def shown(self) -> str:
        """Return an expression of what must be equal at the end; the values of sequences need not be."""
        names = [f"t.{identifier(column.name)}" for column in self.columns if not column.identity]
        return f"ROW({', '.join(names)})::text"

    def observation(self, schema: str, position: int) -> str:
        """Return the query of its rows as a transaction sees them."""
        keys = {name for unique in self.uniques if unique.is_key for name in unique.columns}
        key_columns = [column for column in self.columns if column.name in keys]
        references = [self._tuple(each.columns) for each in self.references]
        targets = [self._tuple(each) for each in self.targets]
        mine = "coalesce(pg_xact_status(t.xmin::text::xid8) = 'in progress', false)"
        return (
            f"SELECT {position}, t.{HIDDEN_COLUMN}, {mine},"
            f" json_build_array({_text([c.canonical() for c in key_columns])},"
            f" {_text([c.canonical(exact=True) for c in key_columns])},"
            f" {_array(references)}, {_array(targets)}, {_array([unique.key() for unique in self.uniques])})"
            f" FROM {schema}.{identifier(self.name)} t"
        )

    def _tuple(self, names: Sequence[str]) -> str:
        columns = [next(column for column in self.columns if column.name == name) for name in names]
        present = " AND ".join(f"t.{identifier(name)} IS NOT NULL" for name in names)
        return f"CASE WHEN {present} THEN {_text([column.canonical() for column in columns])} END"


def _text(parts: Sequence[str]) -> str:
    return f"json_build_array({', '.join(parts)})::text" if parts else "''"


def _array(parts: Sequence[str]) -> str:
    return f"json_build_array({', '.join(parts)})"


def read_tables(ask: Ask, schema: str) -> dict[str, Table]:
    """Return the tables of a schema by name."""

    def table_of(query: str) -> dict[str, str]:
        rows = ask(query.replace("%s", f"'{schema}'"))
        return {(row[0] or b"").decode(): (row[-1] or b"").decode() for row in rows}

    columns = {name: json.loads(text) for name, text in table_of(_COLUMNS).items()}
    uniques = {name: json.loads(text) for name, text in table_of(_INDEXES).items()}
    references = [
        Reference(child, parent, deferrable, deferred, tuple(own), tuple(target))
        for child, parent, deferrable, deferred, own, target in (
            json.loads(text) for text in table_of(_REFERENCES)
        )
    ]
    return {
        name: Table(
            name,
            tuple(Column(*column) for column in columns.get(name, ())),
            tuple(
                Unique(tuple(expressions), predicate, equal, key, tuple(names or ()))
                for expressions, predicate, equal, key, names in uniques.get(name, ())
            ),
            tuple(each for each in references if each.child == name),
            tuple(sorted({each.targets for each in references if each.parent == name})),
        )
        for name in table_of(_EMPTY)
    }


@dataclass(frozen=True)
class Seen:
    """A row as a transaction sees it; `mine`: this version was written by the transaction."""

    mine: bool
    key: str
    exact_key: str
    references: tuple[str | None, ...]
    targets: tuple[str | None, ...]
    entries: tuple[str | None, ...]


Rows = dict[tuple[str, int], Seen]


def observe(ask: Ask, tables: Mapping[str, Table], schema: str) -> Rows:
    """Return all rows of the tables as the transaction of the session that `ask` uses sees them."""
    names = list(tables)
    if not names:
        return {}
    # COLLATE and casts inside of expressions find their operators by the search path of the session.
    query = " UNION ALL ".join(
        f"(SELECT n, r, m, j::text FROM ({tables[name].observation(schema, index)}) o (n, r, m, j))"
        for index, name in enumerate(names)
    )
    found: Rows = {}
    for position, number, mine, content in ask(query):
        key, exact, references, targets, entries = json.loads(content or b"")
        row = Seen(mine == b"t", key, exact, tuple(references), tuple(targets), tuple(entries))
        found[names[int(position or b"0")], int(number or b"0")] = row
    return found
