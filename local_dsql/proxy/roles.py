"""Names and prefixes of database roles that belong to the proxy, the engine or PostgreSQL."""

from __future__ import annotations

from blocks_runtime.contract import ADMIN_ROLE as ADMIN
from local_dsql.engine.engine import SUPERUSER

__all__ = ["ADMIN", "SUPERUSER", "is_internal", "is_reserved", "is_reserved_name"]

_ENGINE = "local_dsql_"
_POSTGRESQL = "pg_"


def is_internal(role: str) -> bool:
    """Return whether a role is one of the local database alone, which a cluster does not have."""
    return role == SUPERUSER or role.startswith(_ENGINE)


def is_reserved_name(role: str) -> bool:
    """Return whether no client may give a role this name. PostgreSQL refuses the other names that are reserved."""
    return role.startswith(_ENGINE)


def is_reserved(role: str) -> bool:
    """Return whether a role is not one of a cluster: no client may log in as it, or map an identity to it."""
    return is_internal(role) or role.startswith(_POSTGRESQL)
