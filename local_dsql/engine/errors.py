"""Errors that the engine reports to clients: conflicts and limits, with DSQL's texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.limits import BYTES_PER_VALUE, MEBIBYTE, ROWS_PER_TRANSACTION
from dsql_dialect.rules.transactions import DDL_WITH_DML
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
    hint=f"Change at most {ROWS_PER_TRANSACTION:,} rows in one transaction: split the work into batches.",
)

ROWS_WITH_DDL = ServerMessage(DDL_WITH_DML.sqlstate, DDL_WITH_DML.text, hint=DDL_WITH_DML.hint)
"""Error of a transaction with DDL in which a function has changed rows; the texts of its statements do not show
that."""

ACTIVE_TRANSACTION = "25001"
CONFLICT_CODES = {CONFLICT: "OC000", SCHEMA_CHANGED: "OC001"}
"""Codes of the serialization failures, for the conflict log."""

SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
QUERY_CANCELED = "57014"
UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATION = "23503"
VIOLATIONS = frozenset({UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION})
"""Errors that rows of others can cause, and that a handler may catch only if the snapshot shows these."""
EXCLUSION_VIOLATION = "23P01"
INVALID_TERMINATION = "2D000"
DIVISION_BY_ZERO = "22012"
INVALID_STATEMENT_NAME = "26000"

CONCURRENT = frozenset({SERIALIZATION_FAILURE, UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION, EXCLUSION_VIOLATION})
"""SQLSTATEs that rows committed by others can cause."""

SCHEMA_ERRORS = ("42", "0A", "XX")
"""Classes of SQLSTATEs that a change of the catalog by others can cause."""

_MULTIXACT_RACE = "new multixact has more than one updating member"


_RAISED = "exec_stmt_raise"
"""PostgreSQL's function that carries out RAISE; no client can set this field of an error."""


def is_raised(fields: Mapping[str, str]) -> bool:
    """Return whether a function has raised an error with RAISE: all else in it is what its author wrote."""
    return fields.get("R") == _RAISED


def is_serialization_failure(fields: Mapping[str, str]) -> bool:
    """Return whether PostgreSQL itself reports a conflict of rows, not a function that raises the same SQLSTATE."""
    return fields["C"] == SERIALIZATION_FAILURE and not is_raised(fields)


def is_of_locks(fields: Mapping[str, str]) -> bool:
    """Return whether an error comes from locks of PostgreSQL alone, which no client knows of: a deadlock, or a race.

    The race is PostgreSQL's own: a statement that locks a row while an updater of that row rolls back to a savepoint
    takes the updater for aborted first, and for running a moment later.
    """
    if is_raised(fields):
        return False
    return fields["C"] == DEADLOCK_DETECTED or fields["M"].startswith(_MULTIXACT_RACE)


def is_interruption(fields: Mapping[str, str]) -> bool:
    """Return whether a statement may have been stopped to let another one through; then it can run again."""
    return (fields["C"] == QUERY_CANCELED and not is_raised(fields)) or is_of_locks(fields)


class Interrupted(Exception):
    """A statement was stopped to let another one through (`is_interruption`): go back, and run it again."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(fields)
        self.fields = fields


class EngineError(Exception):
    """PostgreSQL has refused a command of the engine.

    That happens if others have changed the catalog between two commands, or if code of clients refuses a row that it
    has accepted before; any other cause is a defect of the engine. The transaction cannot continue on its snapshot, so
    it gets a conflict (`lost`).
    """

    def __init__(self, fields: Mapping[str, str] | str) -> None:
        super().__init__(fields)
        self.sqlstate = "" if isinstance(fields, str) or is_raised(fields) else fields["C"]

    @property
    def concerns_schema(self) -> bool:
        """Return whether the shape of a table differs from the one that the engine knows."""
        return self.sqlstate.startswith(SCHEMA_ERRORS)


def lost(error: EngineError) -> ServerMessage:
    """Return the conflict that an error of the engine means for the transaction."""
    return SCHEMA_CHANGED if error.concerns_schema else CONFLICT


def too_many_bytes(limit: int, changed: int | None = None) -> ServerMessage:
    """Return the refusal of a transaction that changes more bytes than it may (AWS user guide, quotas)."""
    allowed = limit // MEBIBYTE
    return ServerMessage(
        "54000",
        f"transaction size limit {allowed}mb exceeded",
        detail=None
        if changed is None
        else f"Current transaction size {-(-changed // MEBIBYTE)}mb > {allowed}mb",
        hint="Change fewer or smaller rows in one transaction: split the work into batches.",
    )


def value_too_large(type_name: str) -> ServerMessage:
    """Return the refusal of a value that is too large for its type."""
    return ServerMessage(
        "54000",
        f"datatype limit greater than {BYTES_PER_VALUE} bytes not supported for {type_name}",
        hint="Keep large values in Amazon S3, and their keys here.",
    )


ROW_TOO_LARGE = ServerMessage(
    "54000",
    "maximum row size exceeded",
    hint="Divide the columns among several tables, or keep large values in Amazon S3.",
)


def too_old(limit: float) -> ServerMessage:
    """Return the refusal of a transaction that is older than `limit` seconds (AWS user guide, quotas)."""
    return ServerMessage(
        "54000",
        f"transaction age limit of {limit:g}s exceeded",
        detail=f"Current transaction age {limit:g}s exceeds {limit:g}s",
        hint="Keep transactions short: commit or roll back before waiting.",
    )
