"""The limits of a transaction and of a connection."""

from __future__ import annotations

from dataclasses import dataclass

from dsql_dialect import limits


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one transaction and of one connection; the defaults are DSQL's.

    `rows` and `bytes` count what a transaction changes; ages are in seconds.
    """

    rows: int = limits.ROWS_PER_TRANSACTION
    bytes: int = limits.BYTES_PER_TRANSACTION
    transaction_age: float = limits.TRANSACTION_SECONDS
    connection_age: float = limits.CONNECTION_SECONDS
