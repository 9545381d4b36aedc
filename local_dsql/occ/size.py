"""How many bytes a transaction changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.limits import BYTES_PER_ROW, BYTES_PER_TRANSACTION, BYTES_PER_VALUE, MEBIBYTE
from local_dsql.occ.effects import holdings, made_by
from local_dsql.occ.privilege import AS_SUPERUSER, as_client
from local_dsql.wire.messages import ServerMessage
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.transaction import Transaction

_FEW_ROWS = BYTES_PER_TRANSACTION // BYTES_PER_ROW
"""As many rows of any size are never too many."""

LARGE_REQUEST = BYTES_PER_VALUE
"""Bytes of a statement with its parameters or rows, below which no value that it brings can be too large."""


async def excess(engine: Engine, participant: Participant, transaction: Transaction) -> ServerMessage | None:
    """Return the refusal of a transaction that changes more bytes than it may, or None.

    What PostgreSQL has logged since its BEGIN is more than what it has changed; only if that is too much, its rows
    are measured, as they are stored. Overhead of rows and index entries is left out (divergence `size-of-rows-only`).
    """
    limit = engine.limits.bytes
    if transaction.rows <= _FEW_ROWS and limit >= BYTES_PER_TRANSACTION:
        return None
    rows = await participant.backend.rows(
        f"SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), {literal(transaction.log_start)})"
    )
    if int(str(rows[0][0])) <= limit:
        return None
    changed = await _changed(engine, participant, transaction)
    if changed <= limit:
        return None
    whole = -(-changed // MEBIBYTE)
    return limit_exceeded(limit, f"Current transaction size {whole}mb > {limit // MEBIBYTE}mb")


def limit_exceeded(limit: int, detail: str | None = None) -> ServerMessage:
    """Return the error for a transaction that changes more than `limit` bytes."""
    return ServerMessage(
        "54000",
        f"transaction size limit {limit // MEBIBYTE}mb exceeded",
        detail=detail,
        hint="Change fewer or smaller rows in one transaction: split the work into batches.",
    )


async def too_large(
    engine: Engine, participant: Participant, transaction: Transaction, names: Iterable[str]
) -> ServerMessage | None:
    """Return the refusal of a value or a row that is larger than one may be, in tables of those names, or None.

    Sizes are those of what is stored, after compression (AWS user guide, quotas). The backend must be ours to use.
    """
    for table in await engine.tables.named(names, engine.catalog):
        columns = await engine.control.exclusive_rows(_LARGE_COLUMNS.format(oid=table.oid))
        sizes = "".join(f", pg_catalog.max(pg_catalog.pg_column_size({name}))" for name, _ in columns)
        rows = await participant.backend.rows(
            f"{AS_SUPERUSER}SELECT pg_catalog.max(pg_catalog.pg_column_size(t.*)){sizes} FROM {table.name} t"
            f" WHERE {made_by(transaction.snapshot_end)}; {as_client(participant.role)}"
        )
        whole, *values = (int(size or 0) for size in rows[0])
        for size, (_, kind) in zip(values, columns, strict=True):
            if size > BYTES_PER_VALUE:
                text = f"datatype limit greater than {BYTES_PER_VALUE} bytes not supported for {kind}"
                return ServerMessage(
                    "54000", text, hint="Keep large values in Amazon S3, and their keys here."
                )
        if whole > BYTES_PER_ROW:
            hint = "Divide the columns among several tables, or keep large values in Amazon S3."
            return ServerMessage("54000", "maximum row size exceeded", hint=hint)
    return None


_LARGE_COLUMNS = """
SELECT pg_catalog.quote_ident(attname), pg_catalog.format_type(atttypid, NULL) FROM pg_catalog.pg_attribute
WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped AND attlen = -1 ORDER BY attnum
"""


async def _changed(engine: Engine, participant: Participant, transaction: Transaction) -> int:
    (holding,) = await holdings(engine.control, f"ARRAY[{participant.backend.pid}]")
    made = made_by(transaction.snapshot_end)
    total = 0
    for table in await engine.tables.of(holding.relations, engine.catalog):
        rows = await participant.backend.rows(
            f"{AS_SUPERUSER}SELECT coalesce(pg_catalog.sum(pg_catalog.pg_column_size(t.*)), 0)"
            f" FROM {table.name} t WHERE {made};"
            f" {as_client(participant.role)}"
        )
        total += int(str(rows[0][0]))
    return total
