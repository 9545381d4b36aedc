"""The shape of tables, read once for each version of the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.wire.backend import Backend


@dataclass(frozen=True, slots=True)
class Table:
    """What the engine must know of a table.

    `name` is qualified and quoted. `identity` and `keys` are SQL expressions over its columns: the primary key (its
    place, where it has none) and all columns of unique indexes, as text. `columns` can be inserted, `updatable` can
    be updated to a value. `runs_code` says that to write to it may call functions made by clients, in checks, generated
    columns, index expressions or domains. `unique` are the unique keys: index name and columns.
    """

    oid: str
    name: str
    schema: str
    relation: str
    owner: str
    runs_code: bool
    has_key: bool
    identity: str
    keys: str
    columns: tuple[str, ...]
    updatable: tuple[str, ...]
    unique: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: the OIDs of its tables, its quoted columns and the columns that they refer to."""

    child: str
    parent: str
    columns: tuple[str, ...]
    targets: tuple[str, ...]


_REFERENCES = """
SELECT conrelid, confrelid, condeferrable, confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'),
  (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), chr(1) ORDER BY place)
   FROM pg_catalog.unnest(conkey) WITH ORDINALITY k(number, place)
   JOIN pg_catalog.pg_attribute ON attrelid = conrelid AND attnum = number),
  (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), chr(1) ORDER BY place)
   FROM pg_catalog.unnest(confkey) WITH ORDINALITY k(number, place)
   JOIN pg_catalog.pg_attribute ON attrelid = confrelid AND attnum = number)
FROM pg_catalog.pg_constraint WHERE contype = 'f'
"""

_SQL = """
SELECT c.oid, n.nspname, c.relname, pg_catalog.format('%I.%I', n.nspname, c.relname),
  pg_catalog.pg_get_userbyid(c.relowner),
  EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid >= 16384
    AND (d.classid, d.objid) IN (
      SELECT 'pg_constraint'::regclass, k.oid FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid
      UNION ALL SELECT 'pg_class'::regclass, x.indexrelid FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid
      UNION ALL SELECT 'pg_attrdef'::regclass, f.oid FROM pg_catalog.pg_attrdef f WHERE f.adrelid = c.oid))
  OR EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
    WHERE a.attrelid = c.oid AND y.typtype = 'd'),
  (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), chr(1) ORDER BY attnum) FROM pg_catalog.pg_attribute
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''),
  (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), chr(1) ORDER BY attnum) FROM pg_catalog.pg_attribute
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a'),
  (SELECT pg_catalog.string_agg(u.line, chr(2) ORDER BY u.main DESC, u.oid) FROM (
     SELECT i.indexrelid AS oid, i.indisprimary AS main,
       pg_catalog.concat(i.indisprimary::int, chr(1), x.relname, chr(1),
       (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), chr(1) ORDER BY k.place)
        FROM pg_catalog.unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number)) AS line
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
     WHERE i.indrelid = c.oid AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate) u)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'local_dsql', 'pg_toast')
"""


class Tables:
    """Shapes by OID; `catalog` is the version of the catalog that they belong to."""

    def __init__(self, control: Backend) -> None:
        self._control = control
        self._catalog = -1
        self.by_oid: dict[str, Table] = {}
        """The tables of clients."""
        self._others: set[str] = set()
        self.key_columns: frozenset[str] = frozenset()
        """Every column name that is part of some unique key."""
        self.defers = False
        """Some foreign key is deferrable."""
        self.cascades = False
        """Some foreign key changes child rows by itself."""
        self.references: tuple[Reference, ...] = ()

    async def of(self, oids: Iterable[str], catalog: int) -> list[Table]:
        """Return the shapes of those relations that are tables of clients."""
        wanted = list(oids)
        if not wanted:
            return []
        if self._catalog != catalog or any(
            oid not in self.by_oid and oid not in self._others for oid in wanted
        ):
            await self.refresh(catalog)
            self._others = {oid for oid in wanted if oid not in self.by_oid}
        return [self.by_oid[oid] for oid in wanted if oid in self.by_oid]

    async def refresh(self, catalog: int) -> None:
        """Read all shapes anew, if the catalog has changed or tables have been made in a transaction still open."""
        rows = await self._control.exclusive_rows(_SQL)
        self._catalog = catalog
        self.by_oid = {str(row[0]): _table(row) for row in rows}
        shapes = self.by_oid.values()
        self.key_columns = frozenset(
            _unquoted(column) for table in shapes for _, columns in table.unique for column in columns
        )
        keys = await self._control.exclusive_rows(_REFERENCES)
        self.defers = any(row[2] == "t" for row in keys)
        self.cascades = any(row[3] == "t" for row in keys)
        self.references = tuple(
            Reference(str(row[0]), str(row[1]), _split(row[4]), _split(row[5])) for row in keys
        )

    async def named(self, names: Iterable[str], catalog: int) -> list[Table]:
        """Return the shapes of the tables with those names, in lower case, in whatever schema."""
        wanted = set(names)
        await self.current(catalog)
        return [table for table in self.by_oid.values() if table.relation.lower() in wanted]

    async def current(self, catalog: int) -> Tables:
        """Return self, read anew if the catalog has changed."""
        if self._catalog != catalog:
            await self.refresh(catalog)
        return self


def _table(row: list[str | None]) -> Table:
    oid, schema, relation, name, owner, runs_code, columns, updatable, indexes = row
    lines = [line.split("\1") for line in indexes.split("\2")] if indexes else []
    primary = next((tuple(line[2:]) for line in lines if line[0] == "1"), ())
    everything = dict.fromkeys(column for line in lines for column in line[2:])
    return Table(
        oid=str(oid),
        name=str(name),
        schema=str(schema),
        relation=str(relation),
        owner=str(owner),
        runs_code=runs_code == "t",
        has_key=bool(primary),
        identity=f"ROW({','.join(primary)})::pg_catalog.text" if primary else "ctid::pg_catalog.text",
        keys=f"ROW({','.join(everything)})::pg_catalog.text" if everything else "''",
        columns=_split(columns),
        updatable=_split(updatable),
        unique=tuple((line[1], tuple(line[2:])) for line in lines),
    )


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(text.split("\1")) if text else ()


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
