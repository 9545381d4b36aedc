"""Limits of Aurora DSQL: on a transaction, a connection, a row, a value and a message.

Source: AWS user guide, "Cluster quotas and database limits in Amazon Aurora DSQL". Nothing else spells these numbers,
those apart that the runtime needs: they stand there, since it is installed without this package.
"""

from __future__ import annotations

from blocks_runtime.contract import (
    BYTES_PER_MESSAGE,
    BYTES_PER_TRANSACTION,
    CONNECTION_SECONDS,
    ROWS_PER_TRANSACTION,
    TRANSACTION_SECONDS,
)

__all__ = [
    "BYTES_PER_DECLARED_KEY",
    "BYTES_PER_KEY",
    "BYTES_PER_MESSAGE",
    "BYTES_PER_ROW",
    "BYTES_PER_TRANSACTION",
    "BYTES_PER_VALUE",
    "CONNECTION_SECONDS",
    "KEY_COLUMNS",
    "MEBIBYTE",
    "ROWS_PER_TRANSACTION",
    "TRANSACTION_SECONDS",
]

MEBIBYTE = 1024 * 1024

BYTES_PER_ROW = 2 * MEBIBYTE
"""Bytes of one row, as stored."""

BYTES_PER_VALUE = MEBIBYTE
"""Bytes of one value, as stored."""

BYTES_PER_DECLARED_KEY = 2_000
"""Sum of the lengths with which the columns of a key may be declared (AWS agent plugins, observed 2026-10-01)."""

BYTES_PER_KEY = 1_981
"""Bytes of one key of one column, as stored; an index entry has those of the primary key, too (the same source)."""

KEY_COLUMNS = 8
"""Columns of a key or an index, those of INCLUDE not counted."""
