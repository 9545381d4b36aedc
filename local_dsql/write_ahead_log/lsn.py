"""Positions in the write-ahead log: byte positions, as PostgreSQL prints them and as integers."""

from __future__ import annotations


def parse_lsn(text: str) -> int:
    """Return the byte position of a `pg_lsn` such as `16/B374D848`.

    Raises:
        ValueError: the text is no `pg_lsn`.
    """
    high, low = text.split("/")
    return (int(high, 16) << 32) | int(low, 16)


def format_lsn(position: int) -> str:
    """Return the `pg_lsn` of a byte position."""
    return f"{position >> 32:X}/{position & 0xFFFF_FFFF:X}"
