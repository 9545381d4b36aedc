"""The net row effects of an open transaction, read from PostgreSQL's system columns.

No trigger, no log, no cost while nobody conflicts: what a transaction has done to a table is what its own view shows
and nobody else's does (rows with an `xmin` at or past the end of its snapshot), and the reverse (rows that a fresh
view still shows with the transaction's number as `xmax`, and its own does not). Joined by primary key they are
updates. Rows travel as text of the table's row type, which PostgreSQL reads back without loss; date and interval
styles are pinned for the purpose.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.occ.privilege import AS_SUPERUSER
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from local_dsql.occ.participant import Participant
    from local_dsql.occ.tables import Table
    from local_dsql.wire.backend import Backend

Row = list[str | None]

_PINNED = (
    "SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = iso_8601; SET LOCAL extra_float_digits = 1;"
    " SET LOCAL client_encoding = UTF8; "
)


@dataclass(frozen=True, slots=True)
class Removed:
    """A row version that the transaction took away: where it is, which row it was, what its unique keys were."""

    at: str
    identity: str
    keys: str


@dataclass(frozen=True, slots=True)
class Made:
    """A row version that the transaction made: which row it is, its unique keys, and the whole row as text."""

    identity: str
    keys: str
    image: str


@dataclass(frozen=True, slots=True)
class TableEffects:
    """What a transaction has done to one table: `updates` pairs the old version with the new one."""

    table: Table
    deletes: tuple[Removed, ...]
    updates: tuple[tuple[Removed, Made], ...]
    inserts: tuple[Made, ...]

    @property
    def written(self) -> frozenset[str]:
        """The identities of all rows that it touched."""
        return frozenset(
            [row.identity for row in self.deletes]
            + [old.identity for old, _ in self.updates]
            + [row.identity for row in self.inserts]
        )

    @property
    def rekeyed(self) -> frozenset[str]:
        """The identities of rows whose keys are gone: deleted, or updated in a key column."""
        moved = (old.identity for old, new in self.updates if old.keys != new.keys)
        return frozenset([*(row.identity for row in self.deletes), *moved])

    @property
    def added(self) -> frozenset[str]:
        """The identities of rows that were not there before."""
        return frozenset(row.identity for row in self.inserts)


@dataclass(frozen=True, slots=True)
class Effects:
    """What a transaction has done, by table; `encoding` is the client's encoding in force."""

    tables: tuple[TableEffects, ...] = ()
    encoding: str = "UTF8"


NOTHING = Effects()


@dataclass(frozen=True, slots=True)
class Holding:
    """What a backend holds: the transaction numbers it goes by, and the tables it has written to."""

    pid: int
    numbers: tuple[str, ...]
    relations: tuple[str, ...]


async def holdings(control: Backend, pids: str) -> list[Holding]:
    """Return what some backends hold; `pids` is an SQL expression for an array of their process numbers."""
    rows = await control.exclusive_rows(
        "SELECT p, coalesce(string_agg(DISTINCT l.transactionid::text, ','), ''),"
        " coalesce(string_agg(DISTINCT l.relation::text, ',') FILTER (WHERE l.mode = 'RowExclusiveLock'), '')"
        f" FROM unnest({pids}) p LEFT JOIN pg_locks l ON l.pid = p AND l.granted GROUP BY p"
    )
    return [Holding(int(str(pid)), _list(numbers), _list(relations)) for pid, numbers, relations in rows]


def _list(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def made_by(end: int) -> str:
    """Return the condition that a visible row version is the transaction's own work, `end` being its snapshot's.

    Compares modulo 2^32, as transaction numbers wrap; 1 and 2 are PostgreSQL's own. Types are named with their schema:
    a client's `search_path` may hold others of that name.
    """
    number = "xmin::pg_catalog.text::bigint"
    return f"(({number} - {end & 0xFFFFFFFF}) & 4294967295) < 2147483648 AND {number} > 2"


async def capture(
    control: Backend, holder: Participant, holding: Holding, tables: Sequence[Table]
) -> Effects:
    """Return the effects of the holder's live transaction. Its backend must be idle, and ours to use.

    The backend is left as superuser with pinned styles: ROLLBACK TO the parking savepoint, or the end of the
    transaction, must follow.
    """
    transaction = holder.transaction
    assert transaction is not None
    if not tables:
        return NOTHING
    made = made_by(transaction.snapshot_end)
    own = "SHOW client_encoding; " + _PINNED
    own += "; ".join(
        f"SELECT ctid::pg_catalog.text, {table.identity}, {table.keys},"
        f" CASE WHEN {made} THEN (t.*)::{table.name}::pg_catalog.text END"
        f" FROM {table.name} t WHERE ({made}) OR xmax <> '0'::pg_catalog.xid"
        for table in tables
    )
    mine = f"ARRAY[{','.join(literal(number) for number in holding.numbers)}]::xid[]"
    taken = "; ".join(
        f"SELECT ctid::text, {table.identity}, {table.keys} FROM {table.name} t WHERE xmax <> '0'::xid"
        f" AND (xmax = ANY({mine}) OR local_dsql.changers(xmax) && {mine})"
        for table in tables
    )
    seen, gone = await asyncio.gather(
        _sets(holder.backend, AS_SUPERUSER + own), _exclusive_sets(control, taken)
    )
    encoding = str(seen[0][0][0])
    paired = zip(tables, seen[1:], gone, strict=True)
    effects = [_table_effects(table, own_rows, old) for table, own_rows, old in paired]
    return Effects(tuple(each for each in effects if each is not None), encoding)


async def _sets(backend: Backend, sql: str) -> list[list[Row]]:
    from local_dsql.wire import messages

    (answer,) = await backend.request(messages.query(sql))
    return answer.row_sets()


async def _exclusive_sets(backend: Backend, sql: str) -> list[list[Row]]:
    async with backend.lock:
        return await _sets(backend, sql)


def _table_effects(table: Table, seen: list[Row], gone: list[Row]) -> TableEffects | None:
    visible = {row[0] for row in seen if row[3] is None}
    removed = [Removed(*map(str, row)) for row in gone if row[0] not in visible]
    made = [Made(str(row[1]), str(row[2]), row[3]) for row in seen if row[3] is not None]
    if not removed and not made:
        return None
    if not table.has_key:
        return TableEffects(table, tuple(removed), (), tuple(made))
    by_identity = {row.identity: row for row in made}
    updates = tuple(_updates(removed, by_identity))
    deletes = tuple(row for row in removed if row.identity not in by_identity)
    replaced = {old.identity for old, _ in updates}
    inserts = tuple(row for row in made if row.identity not in replaced)
    return TableEffects(table, deletes, updates, inserts)


def _updates(removed: list[Removed], made: dict[str, Made]) -> Iterator[tuple[Removed, Made]]:
    for old in removed:
        new = made.get(old.identity)
        if new is not None:
            yield old, new
