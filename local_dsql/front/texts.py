"""Errors that the front itself raises, in DSQL's words where they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import TransactionRules
from local_dsql.wire.messages import ServerMessage

if TYPE_CHECKING:
    from dsql_dialect import Finding, Statement

NO_RULES_YET = TransactionRules()
ABORTED = ServerMessage(
    "25P02",
    "current transaction is aborted, commands ignored until end of transaction block",
    hint="Send ROLLBACK, then begin the transaction anew.",
)
ROW_LIMIT = ServerMessage(
    "54000",
    "transaction row limit exceeded",
    hint="Change at most 3,000 rows in one transaction: split the work into batches.",
)
UNKNOWN_NAME = ServerMessage(
    "26000",
    "prepared statement or portal does not exist",
    hint="Parse the statement, and bind the portal, in this session and this transaction.",
)
PLAIN_TEXT = ServerMessage(
    "28000",
    "unable to accept connection, SSL is mandatory",
    hint="Connect with sslmode=verify-full and sslrootcert set to the CA file of the local cluster.",
    severity="FATAL",
)
NO_SERVER_NAME = ServerMessage(
    "28000",
    "unable to accept connection, sni was not received",
    hint="Connect by host name (localhost), with a client that sends it: libpq 14 or later.",
    severity="FATAL",
)
FUNCTION_CALL = ServerMessage(
    "0A000", "unsupported message: FunctionCall", hint="Call the function by SELECT."
)
BACKEND_GONE = ServerMessage(
    "57P01",
    "terminating connection because the local database stopped",
    hint="Connect again; if it persists, look at the log of the local cluster.",
    severity="FATAL",
)


def access_denied(hint: str, message: str, sqlstate: str = "28000") -> ServerMessage:
    """Return the refusal of a login."""
    return ServerMessage(sqlstate, message, hint=hint, severity="FATAL")


def not_supported_setting(name: str) -> ServerMessage:
    """Return the refusal of a parameter in the startup message."""
    return ServerMessage(
        "0A000",
        f'setting configuration parameter "{name}" not supported',
        hint=f'Leave "{name}" out of the connection options.',
        severity="FATAL",
    )


def refusal(finding: Finding) -> ServerMessage:
    """Return a finding of the dialect as an error: DSQL's text, the way out as its hint."""
    return ServerMessage(
        finding.sqlstate, finding.message, hint=finding.remedy, position=finding.position.offset + 1
    )


def internal(error: BaseException) -> ServerMessage:
    """Return what a client is told when the front itself is at fault."""
    return ServerMessage(
        "XX000",
        f"the local database failed: {type(error).__name__}: {error}",
        hint="Connect again. This is a fault of the local database, not of your statement.",
        severity="FATAL",
    )


def outside_only(statement: Statement) -> ServerMessage:
    """Return the refusal of a statement that cannot run inside a transaction block."""
    return ServerMessage(
        "25001",
        f"{statement.node.upper()} cannot run inside a transaction block",
        hint="Send it in autocommit mode, after COMMIT.",
        position=statement.position.offset + 1,
    )


def too_old(limit: float) -> ServerMessage:
    """Return what a transaction is told that is older than `limit` seconds."""
    return ServerMessage(
        "54000",
        f"transaction age limit of {limit:g}s exceeded",
        detail=f"Current transaction age {limit:g}s exceeds {limit:g}s",
        hint="Keep transactions short: commit, or roll back, before you wait for anything.",
    )
