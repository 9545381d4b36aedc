"""The shape of tables, each read once for a version of the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.wire.sql import literal

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


# Prepared, because after DDL planning these would take ten times as long as running them; a generic plan, because
# the first five would be planned all the same.
_PREPARE = f"""
SET plan_cache_mode = force_generic_plan;
PREPARE shapes_by_oid(text[]) AS {_SQL} AND c.oid = ANY ($1::oid[]);
PREPARE shapes_by_name(text[]) AS {_SQL} AND pg_catalog.lower(c.relname) = ANY ($1);
"""

_KEY_COLUMNS = """
SELECT DISTINCT a.attname FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
WHERE i.indisunique AND i.indrelid >= 16384
"""


class Tables:
    """Shapes by OID; `catalog` is the version of the catalog that they belong to.

    A shape is read when it is asked for: after each of a thousand migrations, only those of the tables in use.
    """

    def __init__(self, control: Backend) -> None:
        self._control = control
        self._prepared = False
        self._catalog = -1
        self._known: dict[str, Table] = {}
        self._others: set[str] = set()
        self._named: dict[str, list[Table]] = {}
        self._key_columns: frozenset[str] | None = None
        self.defers = False
        """Some foreign key is deferrable."""
        self.cascades = False
        """Some foreign key changes child rows by itself."""
        self.references: tuple[Reference, ...] = ()

    async def current(self, catalog: int) -> Tables:
        """Return self, with what is known of an older version of the catalog forgotten.

        Whoever is reading shapes of that version meanwhile goes on with the dictionaries it has begun with.
        """
        if self._catalog != catalog:
            keys = await self._control.exclusive_rows(_REFERENCES)
        if self._catalog != catalog:  # still: others have come meanwhile
            self._catalog = catalog
            self._known, self._others, self._named, self._key_columns = {}, set(), {}, None
            self.defers = any(row[2] == "t" for row in keys)
            self.cascades = any(row[3] == "t" for row in keys)
            self.references = tuple(
                Reference(str(row[0]), str(row[1]), _split(row[4]), _split(row[5])) for row in keys
            )
        return self

    def changed(self, catalog: int, names: frozenset[str] | None) -> None:
        """Note that the change of the catalog that made this version has touched just the tables with those names.

        None: it may have touched any table.
        """
        if names is None or self._catalog != catalog - 1:
            return
        self._catalog = catalog
        self._known = {
            oid: table for oid, table in self._known.items() if table.relation.lower() not in names
        }
        self._others = set(self._others)
        self._named = {name: tables for name, tables in self._named.items() if name not in names}
        self._key_columns = None

    async def of(self, oids: Iterable[str], catalog: int) -> list[Table]:
        """Return the shapes of those relations that are tables of clients."""
        wanted = list(oids)
        if not wanted:
            return []
        await self.current(catalog)
        known, others = self._known, self._others
        if strangers := [oid for oid in wanted if oid not in known and oid not in others]:
            found = await self._read("shapes_by_oid", strangers)
            known |= {table.oid: table for table in found}
            others |= set(strangers) - known.keys()
        return [known[oid] for oid in wanted if oid in known]

    def above(self, oids: Iterable[str]) -> set[str]:
        """Return the tables that these refer to, and those that they refer to in turn."""
        found: set[str] = set()
        below = set(oids)
        while below:
            below = {each.parent for each in self.references if each.child in below} - found
            found |= below
        return found

    async def named(self, names: Iterable[str], catalog: int) -> list[Table]:
        """Return the shapes of the tables with those names, in lower case, in whatever schema."""
        return [table for tables in (await self._by_name(names, catalog)).values() for table in tables]

    async def key_columns(self, names: Iterable[str], catalog: int) -> frozenset[str]:
        """Return every column that is part of some unique key of the tables with those names, in lower case.

        Where one of them is not the name of a table but, say, of a view: of any table.
        """
        found = await self._by_name(names, catalog)
        if all(found.values()):
            shapes = [table for tables in found.values() for table in tables]
            return frozenset(
                _unquoted(column) for table in shapes for _, key in table.unique for column in key
            )
        if self._key_columns is None:
            rows = await self._control.exclusive_rows(_KEY_COLUMNS)
            self._key_columns = frozenset(str(column) for (column,) in rows)
        return self._key_columns

    async def _by_name(self, names: Iterable[str], catalog: int) -> dict[str, list[Table]]:
        wanted = set(names)
        await self.current(catalog)
        named = self._named
        if strangers := wanted - named.keys():
            found = await self._read("shapes_by_name", strangers)
            for name in strangers:
                named[name] = [table for table in found if table.relation.lower() == name]
        return {name: named[name] for name in wanted}

    async def _read(self, prepared: str, wanted: Iterable[str]) -> list[Table]:
        if not self._prepared:
            await self._control.exclusive_rows(_PREPARE)
            self._prepared = True
        listed = ", ".join(literal(each) for each in wanted)
        rows = await self._control.exclusive_rows(f"EXECUTE {prepared}(ARRAY[{listed}]::text[])")
        return [_table(row) for row in rows]


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
