"""Names that PostgreSQL chooses where a statement gives none."""

from __future__ import annotations

DEFAULT_SCHEMA = "public"
_LONGEST = 63
"""Bytes of a name."""


def chosen(name: str, suffix: str) -> str:
    """Return the name for an index or a constraint: the suffix behind a name that is cut to leave room for it."""
    return name.encode()[: _LONGEST - len(suffix)].decode(errors="ignore") + suffix
