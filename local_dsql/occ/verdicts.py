"""What a transaction that lost is told."""

from __future__ import annotations

from local_dsql.wire.messages import ServerMessage

CONFLICT = ServerMessage(
    "40001",
    "change conflicts with another transaction (OC000)",
    hint="Run the whole transaction again.",
)
"""Recorded 2026-09-17, eu-central-1; AWS's documentation words it differently."""

SCHEMA_CHANGED = ServerMessage(
    "40001",
    "schema has been updated by another transaction (OC001)",
    hint="Run the whole transaction again.",
)
"""Recorded 2026-09-17, eu-central-1."""


def code(verdict: ServerMessage | None) -> str | None:
    """Return `OC000` or `OC001` for a conflict, None for anything else."""
    if verdict is CONFLICT:
        return "OC000"
    return "OC001" if verdict is SCHEMA_CHANGED else None
