"""Errors that a client gets of the engine: serialization failures and limits, in DSQL's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire.messages import ServerMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

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

ROW_LIMIT = ServerMessage(
    "54000",
    "transaction row limit exceeded",
    hint="Change at most 3,000 rows in one transaction: split the work into batches.",
)

CONFLICT_CODES = {CONFLICT: "OC000", SCHEMA_CHANGED: "OC001"}
"""Codes of the serialization failures, for the conflict log."""

SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
QUERY_CANCELED = "57014"
UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATION = "23503"
DIVISION_BY_ZERO = "22012"
INVALID_STATEMENT_NAME = "26000"
INVALID_COLUMN_REFERENCE = "42P10"
"""An ON CONFLICT clause whose index is switched off."""

CONCURRENT = frozenset({SERIALIZATION_FAILURE, UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION})
"""SQLSTATEs that rows committed by others can cause."""

SCHEMA_ERRORS = ("42", "0A", "XX")
"""Classes of errors of a statement that the catalog has changed under."""

INTERRUPTED = frozenset({DEADLOCK_DETECTED, QUERY_CANCELED})
"""SQLSTATEs of a statement that the engine or PostgreSQL has stopped to let another one through."""


class EngineError(Exception):
    """PostgreSQL refuses a command of the engine.

    That happens where others have changed the catalog between two commands; anything else is a defect of the engine.
    The transaction cannot go on as its snapshot shows it, so that it has lost: `lost`.
    """

    def __init__(self, fields: Mapping[str, str] | str) -> None:
        super().__init__(fields)
        self.sqlstate = "" if isinstance(fields, str) else fields["C"]

    @property
    def concerns_schema(self) -> bool:
        """Whether the error is one of a table that has another shape than the engine knows."""
        return self.sqlstate.startswith(SCHEMA_ERRORS)


def lost(error: EngineError) -> ServerMessage:
    """Return the error that a transaction gets which an error of the engine has ended."""
    return SCHEMA_CHANGED if error.concerns_schema else CONFLICT


def too_many_bytes(changed: int, limit: int) -> ServerMessage:
    """Return the refusal of a transaction that changes more bytes than it may (AWS user guide, quotas)."""
    mebibyte = 1024 * 1024
    return ServerMessage(
        "54000",
        f"transaction size limit {limit // mebibyte}mb exceeded",
        detail=f"Current transaction size {-(-changed // mebibyte)}mb > {limit // mebibyte}mb",
        hint="Change fewer or smaller rows in one transaction: split the work into batches.",
    )


def too_old(limit: float) -> ServerMessage:
    """Return the refusal of a transaction that is older than `limit` seconds (AWS user guide, quotas)."""
    return ServerMessage(
        "54000",
        f"transaction age limit of {limit:g}s exceeded",
        hint="Begin the transaction anew, and keep it short.",
    )
