"""Roles of the database that stand for something."""

from __future__ import annotations

from blocks_runtime.contract import ADMIN_ROLE as ADMIN
from local_dsql.engine.engine import SUPERUSER

__all__ = ["ADMIN", "SUPERUSER", "is_reserved"]

_RESERVED = ("local_dsql_", "pg_")
"""Prefixes of the roles of the engine and of PostgreSQL."""


def is_reserved(role: str) -> bool:
    """Return whether a role is none of a cluster's: no client logs in as it, or lets an identity do so."""
    return role == SUPERUSER or role.startswith(_RESERVED)
