"""Hold the bytes that a transaction changes against the limit of 10 MiB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.commands import Command, first_error
from local_dsql.engine.errors import EngineError, too_many_bytes
from local_dsql.engine.powers import read_size
from local_dsql.engine.suspend import tables_of
from local_dsql.write_ahead_log.lsn import parse_lsn

if TYPE_CHECKING:
    from local_dsql.engine.limits import Limits
    from local_dsql.engine.session import HeldSession
    from local_dsql.wire.messages import ServerMessage

_MEBIBYTE = 1024 * 1024
_FEW_ROWS = 5
"""A row holds 2 MiB at most, so five are never too many."""
_POSITION = Command("SELECT pg_catalog.pg_current_wal_insert_lsn()")


async def excess_bytes(held: HeldSession) -> ServerMessage | None:
    """Return the refusal of an active transaction that has made more bytes of rows than it may, or None.

    The log since its BEGIN is longer than what it has changed; only if that is too much, its rows are measured, as
    they are stored. Overhead of rows and index entries is left out (divergence `size-of-rows-only`).
    """
    limit = held.services.limits.bytes
    transaction = held.transaction
    if is_small(held.services.limits, transaction.rows):
        return None
    (position,) = await held.run([_POSITION])
    if position.error is None and parse_lsn(str(position.texts()[0][0])) - transaction.start <= limit:
        return None
    changes = (await held.services.log.operations(held.backend.pid)).changes()
    reads = [
        read_size(held.services.token, table, made)
        for file, table in (await tables_of(held, changes)).items()
        if (made := changes[file].made)
    ]
    found = await held.run(reads) if reads else []
    if (error := first_error(found)) is not None:
        raise EngineError(dict(error))
    changed = sum(int(str(result.texts()[0][0]).strip("{}")) for result in found)
    return too_many_bytes(changed, limit) if changed > limit else None


def is_small(limits: Limits, rows: int) -> bool:
    """Return whether so many rows cannot be too many bytes."""
    return rows <= _FEW_ROWS and limits.bytes >= 2 * _FEW_ROWS * _MEBIBYTE
