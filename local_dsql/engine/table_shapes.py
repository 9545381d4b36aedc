"""Shapes of tables, and the statements that read and write their rows by place and image.

Every name is quoted by `local_dsql.wire.sql.identifier`. Texts of the catalog that are SQL already (expressions and
predicates of indexes, operators, collations) come from PostgreSQL's own deparser. All statements run within functions
whose search_path begins with pg_catalog.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from local_dsql.wire.sql import identifier
from local_dsql.write_ahead_log.operations import LockStrength, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOCK_CLAUSES = {
    LockStrength.KEY_SHARE: "FOR KEY SHARE",
    LockStrength.SHARE: "FOR SHARE",
    LockStrength.UPDATE: "FOR UPDATE",
}
_NEW = "(SELECT pg_catalog.unnest($1) AS place, pg_catalog.unnest($2) AS image) _new"


@dataclass(frozen=True)
class UniqueIndex:
    """A unique index: its keys as expressions, the equality of each, and the rows that it covers.

    `of_columns`: it covers all rows, and its keys are columns. The log shows whether an update changes one of these.
    `columns`: the columns that are its keys, none if a key is an expression.
    """

    oid: int
    name: str
    nulls_equal: bool
    immediate: bool
    of_columns: bool
    predicate: str
    keys: tuple[str, ...]
    operators: tuple[str, ...]
    collations: tuple[str, ...]
    columns: tuple[str, ...]

    def select_keys(self, source: str, more: str) -> str:
        """Return a SELECT of the keys `_k0`, … of the rows of `source` that the index covers, and of `more`."""
        keys = "".join(
            f", ({key}){collation} AS _k{number}"
            for number, (key, collation) in enumerate(zip(self.keys, self.collations, strict=True))
        )
        return f"SELECT {more}{keys} FROM {source} WHERE ({self.predicate})"

    def equal(self, one: str, other: str) -> str:
        """Return the condition that two rows of `select_keys` have the same key."""
        return " AND ".join(
            f"({one}._k{number} {operator} {other}._k{number}"
            + (f" OR ({one}._k{number} IS NULL AND {other}._k{number} IS NULL))" if self.nulls_equal else ")")
            for number, operator in enumerate(self.operators)
        )


@dataclass(frozen=True)
class Table:
    """A table as the catalog describes it; the SQL takes places as $1 and images as $2.

    Attributes:
        file: number of its file, by which the log names it.
        columns: columns that an INSERT gives values.
        assignable: those that an UPDATE can assign.
        identity: columns GENERATED ALWAYS AS IDENTITY.
        key: columns of the primary key.
        runs_code: a CHECK, a domain or an index of it calls functions of clients.
        checks_vary: a CHECK of it may give another result for the same row: by time, role, parameters or other rows.
    """

    oid: int
    file: int
    schema: str
    relation: str
    row_type: int
    array_type: int
    owner: int
    columns: tuple[str, ...]
    assignable: tuple[str, ...]
    identity: tuple[str, ...]
    key: tuple[str, ...]
    runs_code: bool
    checks_vary: bool
    unique: tuple[UniqueIndex, ...] = field(default=())

    @cached_property
    def name(self) -> str:
        """The quoted name with its schema."""
        return f"{identifier(self.schema)}.{identifier(self.relation)}"

    @cached_property
    def images(self) -> str:
        """Reads the images of rows in the order of their places."""
        return (
            f"SELECT pg_catalog.array_agg(_row.image ORDER BY _row.number) FROM (SELECT (_t.*)::{self.name} AS image,"
            " _p.number FROM pg_catalog.unnest($1) WITH ORDINALITY _p(place, number)"
            f" JOIN ONLY {self.name} _t ON _t.ctid = _p.place) _row"
        )

    def lock(self, strength: LockStrength) -> str:
        """Return the statement that locks rows."""
        return f"SELECT 1 FROM ONLY {self.name} WHERE ctid = ANY ($1) {LOCK_CLAUSES[strength]}"

    @cached_property
    def delete(self) -> str:
        """Deletes rows."""
        return f"DELETE FROM ONLY {self.name} WHERE ctid = ANY ($1)"

    @cached_property
    def _same_identity(self) -> str:
        return "".join(
            f" AND (_new.image).{identifier(each)} = _t.{identifier(each)}" for each in self.identity
        )

    @cached_property
    def update(self) -> str | None:
        """Updates rows whose identity columns stay; None if no column can be assigned."""
        if not self.assignable:
            return None
        assigned = ", ".join(
            f"{identifier(each)} = (_new.image).{identifier(each)}" for each in self.assignable
        )
        return (
            f"UPDATE ONLY {self.name} AS _t SET {assigned} FROM {_NEW}"
            f" WHERE _t.ctid = _new.place{self._same_identity}"
        )

    @cached_property
    def replace(self) -> str | None:
        """Replaces rows whose GENERATED ALWAYS identity changes, which no UPDATE can express; runs before `update`."""
        if not self.identity:
            return None
        return (
            f"WITH _gone AS (DELETE FROM ONLY {self.name} AS _t USING {_NEW} WHERE _t.ctid = _new.place"
            f" AND NOT (true{self._same_identity}) RETURNING _new.image AS image) {self._into} FROM _gone"
        )

    @cached_property
    def _into(self) -> str:
        if not self.columns:
            return f"INSERT INTO {self.name} SELECT"
        names = ", ".join(identifier(each) for each in self.columns)
        values = ", ".join(f"(image).{identifier(each)}" for each in self.columns)
        return f"INSERT INTO {self.name} ({names}) OVERRIDING SYSTEM VALUE SELECT {values}"

    @cached_property
    def insert(self) -> str:
        """Inserts rows."""
        return f"{self._into} FROM (SELECT pg_catalog.unnest($2) AS image) _new"

    def duplicates(self, index: UniqueIndex) -> str:
        """Return the statement that finds another row with the key of one of the rows, if the snapshot shows it."""
        rows = index.select_keys(f"ONLY {self.name}", "ctid AS _place")
        return (
            f"SELECT 1 FROM ({rows} AND ctid = ANY ($1)) _mine JOIN ({rows}) _other"
            f" ON {index.equal('_mine', '_other')} AND _mine._place <> _other._place LIMIT 1"
        )

    @cached_property
    def repeat(self) -> str:
        """Inserts the rows at places once more."""
        return (
            f"{self._into} FROM (SELECT (_t.*)::{self.name} AS image FROM ONLY {self.name} _t"
            " WHERE _t.ctid = ANY ($1)) _new"
        )

    def twins(self, index: UniqueIndex) -> str:
        """Return the statement that reads the places of those rows which have the key of a visible row elsewhere, and
        then, in the same order, the places of these *twins*."""
        return (
            "SELECT pg_catalog.array_agg(_mine._place ORDER BY _mine._place, _other._place)"
            " || pg_catalog.array_agg(_other._place ORDER BY _mine._place, _other._place)"
            f" FROM {self._with_twins(index)}"
        )

    def delete_twins(self, index: UniqueIndex) -> str:
        """Return the statement that deletes those of the rows which have a twin."""
        return self._delete_of(f"SELECT _mine._place FROM {self._with_twins(index)}")

    def delete_violating(self, index: UniqueIndex) -> str:
        """Return the statement that deletes those of the rows which have a twin, or the key of an earlier one."""
        return self._delete_of(
            f"SELECT _mine._place FROM {self._with_twins(index)}"
            f" UNION ALL SELECT _place FROM ({self._numbered(index)}) _mine WHERE _first <> _number"
        )

    def _delete_of(self, chosen: str) -> str:
        return f"DELETE FROM ONLY {self.name} WHERE ctid = ANY (ARRAY({chosen}))"

    def _with_twins(self, index: UniqueIndex) -> str:
        """Return the join of rows with their twins.

        The indexes may lack the rows (`store_rows_only`), so the planner has to find them by place: OFFSET 0. It also
        hides that an index is unique: here it is not, and PostgreSQL would join a twin with one row only.
        """
        mine = (
            f"(SELECT ctid AS _place, _row.* FROM ONLY {self.name} _row WHERE ctid = ANY ($1) OFFSET 0) _row"
        )
        others = index.select_keys(f"ONLY {self.name}", "ctid AS _place")
        return (
            f"({index.select_keys(mine, '_place')} OFFSET 0) _mine JOIN ({others} AND ctid <> ALL ($1)) _other"
            f" ON {index.equal('_mine', '_other')}"
        )

    def _numbered(self, index: UniqueIndex) -> str:
        """Return a SELECT of the rows that have a key: with their number, and that of the first with the same key."""
        rows = index.select_keys(f"ONLY {self.name}", "ctid AS _place")
        keys = [f"_row._k{number}" for number in range(len(index.keys))]
        known = "true" if index.nulls_equal else " AND ".join(f"{each} IS NOT NULL" for each in keys)
        return (
            f"SELECT _row._place, _at.number AS _number,"
            f" pg_catalog.min(_at.number) OVER (PARTITION BY {', '.join(keys)}) AS _first"
            f" FROM ({rows} AND ctid = ANY ($1)) _row"
            " JOIN pg_catalog.unnest($1) WITH ORDINALITY _at(place, number) ON _at.place = _row._place"
            f" WHERE {known}"
        )

    def delete_duplicates(self, index: UniqueIndex, count: int) -> str:
        """Return the statement that deletes the rows after the first `count` that have the key of one of these."""
        rows = index.select_keys(f"ONLY {self.name}", "ctid AS _place")
        return (
            f"DELETE FROM ONLY {self.name} WHERE ctid = ANY (ARRAY(SELECT _other._place"
            f" FROM ({rows} AND ctid = ANY (($1)[:{count}])) _mine"
            f" JOIN ({rows} AND ctid = ANY (($1)[{count + 1}:])) _other ON {index.equal('_mine', '_other')}))"
        )

    def delete_images(self, index: UniqueIndex) -> str:
        """Return the statement that deletes rows with the key of one of the images."""
        images = index.select_keys(
            "(SELECT (image).* FROM (SELECT pg_catalog.unnest($2) AS image) _new) _image", "1 AS _one"
        )
        rows = index.select_keys(f"ONLY {self.name}", "ctid AS _place")
        return (
            f"DELETE FROM ONLY {self.name} WHERE ctid IN (SELECT _other._place"
            f" FROM ({images}) _mine JOIN ({rows}) _other ON {index.equal('_mine', '_other')})"
        )

    @cached_property
    def keys_at(self) -> str:
        """Reads the primary keys of rows as PostgreSQL prints a row; their places if there is no key."""
        key = f"ROW({', '.join(f'_t.{identifier(each)}' for each in self.key)})" if self.key else "_t.ctid"
        return f"SELECT pg_catalog.array_agg({key}::pg_catalog.text) FROM ONLY {self.name} _t WHERE _t.ctid = ANY ($1)"

    @cached_property
    def largest(self) -> str:
        """Reads the bytes of the largest row, and of the largest value of each of `columns`, as they are stored."""
        sizes = ", ".join(
            f"coalesce(pg_catalog.max(pg_catalog.pg_column_size(_t.{each})), 0)::pg_catalog.int8"
            for each in ["*", *map(identifier, self.columns)]
        )
        return f"SELECT ARRAY[{sizes}] FROM ONLY {self.name} _t WHERE ctid = ANY ($1)"

    @cached_property
    def size(self) -> str:
        """Reads the bytes of rows as they are stored."""
        return self._sum(["*"])

    @cached_property
    def key_size(self) -> str:
        """Reads the bytes of the primary keys of rows as they are stored; none without a primary key."""
        return self._sum([identifier(each) for each in self.key])

    def _sum(self, columns: Sequence[str]) -> str:
        bytes_ = " + ".join(f"pg_catalog.pg_column_size(_t.{each})" for each in columns) or "0"
        return (
            f"SELECT ARRAY[coalesce(pg_catalog.sum({bytes_}), 0)::pg_catalog.int8]"
            f" FROM ONLY {self.name} _t WHERE ctid = ANY ($1)"
        )


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key from the columns of a child table to those of a parent table; tables by OID and by file.

    `acts`: it changes rows itself (CASCADE, SET NULL or SET DEFAULT).
    """

    name: str
    child: int
    parent: int
    deferrable: bool
    columns: tuple[str, ...]
    targets: tuple[str, ...]
    child_file: int
    parent_file: int
    acts: bool

    def equal(self, child: str, parent: str) -> str:
        """Return the condition that a child refers to a parent; as PostgreSQL's own check, by the key's operators."""
        pairs = zip(self.columns, self.targets, strict=True)
        return " AND ".join(f"{parent}.{identifier(b)} = {child}.{identifier(a)}" for a, b in pairs)

    def refers(self, child: str) -> str:
        """Return the condition that all columns of a child have values."""
        return " AND ".join(f"{child}.{identifier(each)} IS NOT NULL" for each in self.columns)

    def orphans(self, child: Table, parent: Table) -> str:
        """Return the statement that finds a child without a parent in the snapshot."""
        return f"SELECT 1 {self._orphans(child, parent)} LIMIT 1"

    def orphan_keys(self, child: Table, parent: Table, *, among: bool) -> str:
        """Return the statement that reads the values with which a child refers to no parent, as PostgreSQL prints them.

        `among`: the child is one of the rows at places.
        """
        values = ", ".join(f"pg_catalog.concat(_c.{identifier(each)})" for each in self.columns)
        chosen = " AND _c.ctid = ANY ($1)" if among else ""
        return (
            "SELECT pg_catalog.array_agg(_orphan.key) FROM"
            f" (SELECT pg_catalog.concat_ws(', ', {values}) AS key {self._orphans(child, parent)}{chosen}"
            " ORDER BY _c.ctid LIMIT 1) _orphan"
        )

    def _orphans(self, child: Table, parent: Table) -> str:
        return (
            f"FROM ONLY {child.name} _c WHERE {self.refers('_c')} AND NOT EXISTS"
            f" (SELECT 1 FROM ONLY {parent.name} _p WHERE {self.equal('_c', '_p')})"
        )

    def orphans_at(self, child: Table, parent: Table) -> str:
        """Return the statement that finds a child without a parent among the rows at places."""
        return f"SELECT 1 {self._orphans(child, parent)} AND _c.ctid = ANY ($1) LIMIT 1"

    def children_of(self, child: Table, parent: Table, parents: Iterable[Place]) -> str:
        """Return the statement that finds a child, among the rows at places, whose reference has another form.

        It refers to one of the parents at other places by an equal key with another text, as 1.0 and 1.00.
        """
        places = ", ".join(_tid(place) for place in parents)
        pairs = zip(self.columns, self.targets, strict=True)
        differs = " OR ".join(f"_c.{identifier(a)}::text <> _p.{identifier(b)}::text" for a, b in pairs)
        return (
            f"SELECT 1 FROM ONLY {child.name} _c JOIN ONLY {parent.name} _p ON {self.equal('_c', '_p')}"
            f" WHERE _c.ctid = ANY ($1) AND _p.ctid = ANY (ARRAY[{places}]) AND ({differs}) LIMIT 1"
        )

    def lock_parents(self, child: Table, parent: Table) -> str:
        """Return the statement that locks the parents of the children at places, as PostgreSQL's check does."""
        return (
            f"SELECT 1 FROM ONLY {parent.name} _p WHERE EXISTS (SELECT 1 FROM ONLY {child.name} _c"
            f" WHERE _c.ctid = ANY ($1) AND {self.equal('_c', '_p')}) FOR KEY SHARE"
        )

    @cached_property
    def _differs(self) -> str:
        return " OR ".join(
            f"(_new.image).{identifier(each)}::text IS DISTINCT FROM _t.{identifier(each)}::text"
            for each in self.columns
        )

    def moved(self, child: Table) -> str:
        """Return the statement that finds rows whose images have another reference."""
        return f"SELECT 1 FROM ONLY {child.name} _t JOIN {_NEW} ON _t.ctid = _new.place WHERE {self._differs}"

    def moved_to(self, child: Table, parent: Table, place: Place) -> str:
        """Return the statement that finds a row whose image, unlike the row, refers to the parent at a place."""
        return (
            f"SELECT 1 FROM ONLY {child.name} _t JOIN {_NEW} ON _t.ctid = _new.place"
            f" JOIN ONLY {parent.name} _p ON {self._at(place)} WHERE {self._differs} LIMIT 1"
        )

    def made_for(self, parent: Table, place: Place) -> str:
        """Return the statement that finds an image that refers to the parent at a place."""
        return (
            "SELECT 1 FROM (SELECT pg_catalog.unnest($2) AS image) _new"
            f" JOIN ONLY {parent.name} _p ON {self._at(place)} LIMIT 1"
        )

    def _at(self, place: Place) -> str:
        return f"_p.ctid = {_tid(place)} AND {self.equal('(_new.image)', '_p')}"

    def still_referenced(self, child: Table, parent: Table) -> str:
        """Return the statement that finds a visible child of the parent whose key is in an error's DETAIL, the text in
        $2.

        PostgreSQL prints the key of that row, so the whole text is compared, and never cut.
        """
        values = ", ".join(
            f"CASE WHEN _p.{identifier(each)} IS NULL THEN 'null' ELSE pg_catalog.concat(_p.{identifier(each)}) END"
            for each in self.targets
        )
        key = f"pg_catalog.concat_ws(', ', {values})"
        return (
            f"SELECT 1 FROM ONLY {child.name} _c JOIN ONLY {parent.name} _p ON {self.equal('_c', '_p')}"
            f" WHERE pg_catalog.strpos(($2)[1], ')=(' || {key} || ') is still referenced') > 0 LIMIT 1"
        )


def _tid(place: Place) -> str:
    return f"'({place.block},{place.offset})'::pg_catalog.tid"
