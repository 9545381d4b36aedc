"""Names and prefixes of database roles that belong to the proxy, the engine or PostgreSQL."""

from __future__ import annotations

from blocks_runtime.contract import ADMIN_ROLE as ADMIN
from local_dsql.engine.engine import SUPERUSER

__all__ = ["ADMIN", "SUPERUSER", "is_reserved"]

_RESERVED = ("local_dsql_", "pg_")
"""Prefixes of the roles of the engine and of PostgreSQL."""


def is_reserved(role: str) -> bool:
    """Return whether a role is not one of a cluster: no client may log in as it, or map an identity to it."""
    return role == SUPERUSER or role.startswith(_RESERVED)
