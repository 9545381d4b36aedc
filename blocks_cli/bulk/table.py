"""A table as load and dump see it: columns with their types, and the key that identifies rows."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.migrations.catalog_queries import OF_THE_APP
from blocks_runtime import sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_runtime import Sql
    from lambda_migrator.tables import Reader

_TABLE = """\
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass({name})"""

_COLUMNS = """\
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    format_type(COALESCE(NULLIF(t.typbasetype, 0), a.atttypid), NULL) AS base,
    a.attnotnull OR t.typnotnull AS not_null, a.atthasdef OR t.typdefault IS NOT NULL AS has_default,
    a.attidentity::text AS identity, a.attgenerated::text AS generated
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

# A key identifies each row: no expression, no predicate, no NULL. The primary key is the first.
_KEY = """\
SELECT i.indexrelid::bigint AS index, a.attname AS name, a.attnotnull AS not_null
FROM pg_catalog.pg_index i CROSS JOIN generate_series(0, i.indnkeyatts - 1) AS place
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]
WHERE i.indrelid = {oid} AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY NOT i.indisprimary, i.indexrelid, place"""

# As a user writes them: with the schema only if it is not in the search path.
_NAMES = """\
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN '' ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname)
    AS name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'sys')
    AND has_schema_privilege(n.oid, 'USAGE') AND {of_the_app}"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type as the catalog prints it, and `base`, the type below a domain without modifiers."""

    name: str
    type: str
    base: str
    not_null: bool
    has_default: bool
    identity: str
    generated: bool

    @property
    def is_json(self) -> bool:
        """True for json and jsonb, and domains over them."""
        return self.base in ("json", "jsonb")

    @property
    def must_be_given(self) -> bool:
        """True if a row without a value for it is refused."""
        return self.not_null and not (self.has_default or self.identity or self.generated)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the database; `keys` are its unique keys without NULL, the primary key first."""

    oid: int
    schema: str
    name: str
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...]

    @property
    def sql(self) -> Sql:
        """The quoted name."""
        return sql.identifier(self.schema, self.name)

    @property
    def file_name(self) -> str:
        """The name for a file, with an underscore for each character that a path may not have."""
        return re.sub(r"[^\w.-]", "_", self.name)

    def __str__(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column:
        """Return a column that exists."""
        return next(each for each in self.columns if each.name == name)

    def key_within(self, columns: Sequence[str]) -> tuple[str, ...] | None:
        """Return the first key that consists of these columns, or None."""
        return next((key for key in self.keys if set(key) <= set(columns)), None)

    def writable(self, names: Sequence[str], origin: str) -> tuple[Column, ...]:
        """Return the columns to load, in the order of the file.

        Raises:
            CommandError: a name is unknown, repeated or of a generated column, or a required column is missing.
        """
        known = {each.name: each for each in self.columns}
        for name in names:
            if name not in known:
                raise self._unknown(name, origin)
            if known[name].generated:
                raise CommandError(
                    f"{origin}: column {name} cannot be loaded",
                    "it is GENERATED ALWAYS AS (…) STORED, so the database computes it",
                    "leave the column out of the file; `blocks dump` does",
                )
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise CommandError(f"{origin}: column {twice} twice", "a row has one value", "name it once")
        if missing := [each.name for each in self.columns if each.must_be_given and each.name not in names]:
            raise CommandError(
                f"{origin}: no column {', '.join(missing)}",
                f"in table {self} it is NOT NULL and has no default",
                "add it to the file, or give the column a default",
            )
        return tuple(known[name] for name in names)

    def _unknown(self, name: str, origin: str) -> CommandError:
        names = [each.name for each in self.columns]
        near = difflib.get_close_matches(name, names, 1) or difflib.get_close_matches(
            name.strip().lower(), names, 1
        )
        return CommandError(
            f"{origin}: table {self} has no column {name!r}",
            f"its columns are {', '.join(names)}",
            f"did you mean {near[0]}?"
            if near
            else "name the columns of a file without header with --columns",
        )


def _nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the one of `names` that is most like `name`, or whose part after the schema is; None if none is."""
    tables = {each.rpartition(".")[2]: each for each in names}
    near = difflib.get_close_matches(name, names, 1) or difflib.get_close_matches(
        name.rpartition(".")[2], tables, 1
    )
    return tables.get(near[0], near[0]) if near else None


def read_table(reader: Reader, name: str) -> Table:
    """Return a table by its name, with a schema before a dot if it is not in the search path.

    Raises:
        CommandError: there is no such table, or it is a view.
    """
    found = reader.read(sql(_TABLE, name=name)) if _is_name(name) else []
    if not found:
        names = [str(row["name"]) for row in reader.read(sql(_NAMES, of_the_app=OF_THE_APP))]
        near = _nearest(name, names)
        raise CommandError(
            f"--table {name}: no such table",
            f"the database has {', '.join(sorted(names)) or 'no tables'}",
            f"did you mean {near}?" if near else "create it with a migration first",
        )
    (row,) = found
    if row["kind"] != "r":
        raise CommandError(
            f"--table {name}: not a table", "it is a view or a sequence", "name the table behind it"
        )
    return Table(
        row["oid"], row["schema"], row["name"], _columns(reader, row["oid"]), _keys(reader, row["oid"])
    )


def _is_name(text: str) -> bool:
    """Return whether `to_regclass` takes the text for a name; it raises an error for some others."""
    return bool(text) and text.count('"') % 2 == 0 and "\0" not in text and not text.strip().isdigit()


def _columns(reader: Reader, oid: int) -> tuple[Column, ...]:
    return tuple(
        Column(
            row["name"],
            row["type"],
            row["base"],
            row["not_null"],
            row["has_default"] and not row["generated"],
            row["identity"],
            bool(row["generated"]),
        )
        for row in reader.read(sql(_COLUMNS, oid=oid))
    )


def _keys(reader: Reader, oid: int) -> tuple[tuple[str, ...], ...]:
    found: dict[int, list[tuple[str, bool]]] = {}
    for row in reader.read(sql(_KEY, oid=oid)):
        found.setdefault(row["index"], []).append((row["name"], row["not_null"]))
    return tuple(
        tuple(name for name, _ in key) for key in found.values() if all(not_null for _, not_null in key)
    )
