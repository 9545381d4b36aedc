"""Limits of Aurora DSQL, for rules and for the local database; the runtime has the numbers, which both import."""

from __future__ import annotations

from blocks_runtime.contract import (
    BYTES_PER_TRANSACTION,
    CONNECTION_SECONDS,
    ROWS_PER_TRANSACTION,
    TRANSACTION_SECONDS,
)

__all__ = ["BYTES_PER_TRANSACTION", "CONNECTION_SECONDS", "ROWS_PER_TRANSACTION", "TRANSACTION_SECONDS"]
