"""The limits of a transaction and of a connection."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one transaction, or one connection, may do; the defaults are DSQL's (AWS user guide, quotas).

    `rows` and `bytes` count what a transaction changes; ages are in seconds.
    """

    rows: int = 3000
    bytes: int = 10 * MEBIBYTE
    transaction_age: float = 300.0
    connection_age: float = 3600.0
