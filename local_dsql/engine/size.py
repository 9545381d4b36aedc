"""Check the size limits of transactions, rows and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.limits import BYTES_PER_ROW, BYTES_PER_VALUE
from local_dsql.engine.commands import Command, oid, run_checked
from local_dsql.engine.errors import ROW_TOO_LARGE, too_many_bytes, value_too_large
from local_dsql.engine.log_distance import SMALLEST_RECORD
from local_dsql.engine.powers import read_key_size, read_largest, read_size
from local_dsql.engine.suspend import tables_of
from local_dsql.write_ahead_log.lsn import parse_lsn
from local_dsql.write_ahead_log.operations import LockStrength

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect import Statement
    from local_dsql.engine.commands import Parameter
    from local_dsql.engine.limits import Limits
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table
    from local_dsql.engine.transaction import Transaction
    from local_dsql.wire.messages import ServerMessage
    from local_dsql.write_ahead_log.changes import TableChanges

_FEW_ROWS = 5
"""A row has at most 2 MiB, so five rows never exceed the limit."""

_LARGEST_KEY = 2704
"""Bytes of the largest entry of an index in PostgreSQL 16 (BTMaxItemSize), so of the largest primary key."""

_LARGE_REQUEST = BYTES_PER_VALUE
"""A statement with fewer bytes, parameters or rows included, cannot bring a value that is too large."""
_BYTES_PER_CHARACTER = 4

_TYPE_NAMES = (
    "SELECT pg_catalog.format_type(atttypid, NULL) FROM pg_catalog.pg_attribute"
    " WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
)
_POSITION = Command("SELECT pg_catalog.pg_current_wal_insert_lsn()")


async def excess_bytes(held: HeldSession) -> ServerMessage | None:
    """Return the refusal of an active transaction that has exceeded the size limit, or None.

    Only if the log since its BEGIN is so long that it may exceed the limit, the stored size is read: of the rows that
    it has made, and of the primary keys of rows that it has locked FOR UPDATE (AWS agent plugins, pull request 271,
    2026-09-09). Overhead of rows and index entries is left out (divergence `size-of-rows-only`).
    """
    limit = held.services.limits.bytes
    transaction = held.transaction
    if not may_be_large(transaction, held.services.limits):
        return None
    (position,) = await held.run([_POSITION])
    within = limit * SMALLEST_RECORD // _LARGEST_KEY if transaction.locks_rows else limit
    if position.error is None and parse_lsn(str(position.texts()[0][0])) - transaction.start <= within:
        return None
    changes = (await held.services.log.operations(held.backend.pid)).changes()
    reads = [
        each
        for file, table in (await tables_of(held, changes)).items()
        for each in _reads(held.services.token, table, changes[file])
    ]
    found = await run_checked(held, reads)
    changed = sum(int(str(result.texts()[0][0]).strip("{}")) for result in found)
    return too_many_bytes(limit, changed) if changed > limit else None


def _reads(token: Parameter, table: Table, changes: TableChanges) -> Iterator[Command]:
    """Yield the commands that read the bytes of a transaction's rows in a table, and of the keys that it has locked."""
    if changes.made:
        yield read_size(token, table, changes.made)
    locked = [place for place, strength in changes.locks.items() if strength is LockStrength.UPDATE]
    if unchanged := [place for place in locked if place not in changes.updates]:
        yield read_key_size(token, table, unchanged)


def may_be_large(transaction: Transaction, limits: Limits) -> bool:
    """Return whether a transaction may exceed the size limit, by the rows that it has changed and locked."""
    return transaction.locks_rows or not is_small(limits, transaction.rows)


def is_small(limits: Limits, rows: int) -> bool:
    """Return whether a number of rows cannot exceed the size limit."""
    return rows <= _FEW_ROWS and limits.bytes >= _FEW_ROWS * BYTES_PER_ROW


def is_large(request: Request) -> bool:
    """Return whether a statement has so many bytes that it may bring a value or a row that is too large."""
    statement = request.statement
    return statement is not None and statement.writes and request.size >= _LARGE_REQUEST


def may_bring_large_values(statement: Statement, size: int) -> bool:
    """Return whether a statement may bring a value that is too large: in its text, or in so many bytes of messages."""
    return size + _BYTES_PER_CHARACTER * len(statement.text) >= _LARGE_REQUEST


async def too_large(held: HeldSession, request: Request) -> ServerMessage | None:
    """Return the refusal if a statement that has just succeeded has stored a value or a row that is too large.

    Stored sizes count, after compression (AWS user guide, quotas).
    """
    if not is_large(request):
        return None
    changes = (await held.services.log.operations(held.backend.pid)).changes()
    for file, table in (await tables_of(held, changes)).items():
        if not (made := changes[file].made):
            continue
        found = await run_checked(held, [read_largest(held.services.token, table, made)])
        row, *values = map(int, str(found[0].texts()[0][0]).strip("{}").split(","))
        for number, size in enumerate(values):
            if size > BYTES_PER_VALUE:
                return value_too_large(await _type_name(held, table, number))
        if row > BYTES_PER_ROW:
            return ROW_TOO_LARGE
    return None


async def _type_name(held: HeldSession, table: Table, number: int) -> str:
    """Return the name of the type of a column, counted from 0."""
    (names,) = await held.run([Command(_TYPE_NAMES, (oid(table.oid),))])
    return str(names.texts()[number][0])
