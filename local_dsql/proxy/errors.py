"""Errors that the proxy itself raises, with DSQL's text if it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import TransactionRules
from dsql_dialect.rules.making import AGENT_PLUGINS_DAY
from local_dsql.access.errors import REFUSED_LOGIN
from local_dsql.wire.messages import ServerMessage

if TYPE_CHECKING:
    from dsql_dialect import Finding, Profile, Statement

NO_RULES_YET = TransactionRules()
ABORTED = ServerMessage(
    "25P02",
    "current transaction is aborted, commands ignored until end of transaction block",
    hint="Send ROLLBACK, then begin the transaction anew.",
)
NO_TRANSACTION = ServerMessage("25P01", "there is no transaction in progress", severity="WARNING")
SYNCHRONIZATION_LOST = ServerMessage(
    "08P01", "terminating connection because protocol synchronization was lost", severity="FATAL"
)
PLAIN_TEXT = ServerMessage(
    REFUSED_LOGIN,
    "unable to accept connection, SSL is mandatory",
    hint="Connect with sslmode=verify-full and sslrootcert set to the CA file of the local cluster.",
    severity="FATAL",
)
NO_SERVER_NAME = ServerMessage(
    REFUSED_LOGIN,
    "unable to accept connection, sni was not received",
    hint="Connect by host name (localhost), with a client that sends it: libpq 14 or later.",
    severity="FATAL",
)
INVALID_STARTUP_LENGTH = ServerMessage("08P01", "invalid length of startup packet", severity="FATAL")
INVALID_MESSAGE_LENGTH = ServerMessage("08P01", "invalid message length", severity="FATAL")
PASSWORD_EXPECTED = ServerMessage("08P01", "expected password response", severity="FATAL")
LOGIN_TIMEOUT = ServerMessage("57014", "canceling authentication due to timeout", severity="FATAL")
TOO_MANY_CONNECTIONS = ServerMessage(
    "53300",
    "Unable to accept connection, too many open connections.",
    hint="Close connections that are not needed, or share them in a pool.",
    severity="FATAL",
)
"""Text of AWS's user guide, quotas. DSQL accepts 10,000 connections, the local database fewer."""

FUNCTION_CALL = ServerMessage(
    "0A000", "unsupported message: FunctionCall", hint="Call the function by SELECT."
)
TOO_COMPLEX = ServerMessage(
    "54001",
    "statement too complex",
    hint="Its text takes too long to parse: use parameters, or several statements.",
    severity="FATAL",
)
DATABASE_STOPPED = ServerMessage(
    "57P01",
    "terminating connection because the local database stopped",
    hint="Connect again; if it persists, read the log of the local cluster.",
    severity="FATAL",
)


class CloseConnection(Exception):
    """The connection must be closed; `last` is sent before."""

    def __init__(self, last: ServerMessage | None = None) -> None:
        super().__init__("" if last is None else last.message)
        self.last = last


def too_long(profile: Profile) -> ServerMessage | None:
    """Return the last message to a client that sends a too long one; None: the connection ends without a word.

    The user guide has the text. A cluster did not send it (AWS agent plugins, observed 2026-10-01).
    """
    return None if profile.lifts(AGENT_PLUGINS_DAY) else INVALID_MESSAGE_LENGTH


def unsupported_protocol(version: int) -> ServerMessage:
    """Return the error for a protocol of another major version."""
    shown = f"{version >> 16}.{version & 0xFFFF}"
    text = f"unsupported frontend protocol {shown}: server supports 3.0 to 3.0"
    return ServerMessage("0A000", text, severity="FATAL")


def unknown_statement(name: bytes) -> ServerMessage:
    """Return the error for a prepared statement that does not exist."""
    shown = f'prepared statement "{name.decode(errors="replace")}"' if name else "unnamed prepared statement"
    return ServerMessage(
        "26000", f"{shown} does not exist", hint="Parse the statement in this session first."
    )


def unknown_role(role: str) -> ServerMessage:
    """Return the error for a role that does not exist."""
    return ServerMessage(
        "42704", f'role "{role}" does not exist', hint="Create it first: CREATE ROLE … WITH LOGIN."
    )


def reserved_role(role: str) -> ServerMessage:
    """Return the error for a new role whose name is reserved for the local database, in PostgreSQL's words."""
    return ServerMessage("42939", f'role name "{role}" is reserved', hint="Choose another name.")


def unknown_portal(name: bytes) -> ServerMessage:
    """Return the error for a portal that does not exist."""
    text = f'portal "{name.decode(errors="replace")}" does not exist'
    return ServerMessage("34000", text, hint="Bind the portal in this transaction first.")


def spent_portal(name: bytes) -> ServerMessage:
    """Return the error for a portal without rows that has already run."""
    return ServerMessage("55000", f'portal "{name.decode(errors="replace")}" cannot be run')


def existing_portal(name: bytes) -> ServerMessage:
    """Return the error for a Bind that names a portal which exists."""
    return ServerMessage("42P03", f'cursor "{name.decode(errors="replace")}" already exists')


def malformed(wrong: str) -> ServerMessage:
    """Return the error for a malformed message."""
    return ServerMessage("08P01", wrong, hint="The client library sent a malformed message.")


def undecodable(shown: str) -> ServerMessage:
    """Return the error for a text that is not in the client's encoding."""
    return ServerMessage(
        "22021",
        f'invalid byte sequence for encoding "UTF8": {shown}',
        hint="Send text in the encoding that client_encoding names.",
    )


def unknown_message(kind: int) -> ServerMessage:
    """Return the fatal error for a message of unknown type."""
    return ServerMessage("08P01", f"invalid frontend message type {kind}", severity="FATAL")


def unexpected_during_copy(kind: int) -> ServerMessage:
    """Return the error for a message that is not allowed between the rows of a COPY."""
    return ServerMessage("08P01", f"unexpected message type 0x{kind:02X} during COPY from stdin")


def access_denied(hint: str, message: str, sqlstate: str) -> ServerMessage:
    """Return the fatal error for a refused login."""
    return ServerMessage(sqlstate, message, hint=hint, severity="FATAL")


def not_supported_setting(name: str) -> ServerMessage:
    """Return the fatal error for a parameter in the startup message."""
    return ServerMessage(
        "0A000",
        f'setting configuration parameter "{name}" not supported',
        hint=f'Leave "{name}" out of the connection options.',
        severity="FATAL",
    )


def refusal(finding: Finding) -> ServerMessage:
    """Return a finding of the dialect as an error: DSQL's text, with the remedy as its hint."""
    return ServerMessage(
        finding.sqlstate,
        finding.message,
        detail=finding.detail or None,
        hint=finding.hint,
        position=finding.position.offset + 1,
    )


def internal(error: BaseException) -> ServerMessage:
    """Return the fatal error for a bug of the proxy."""
    return ServerMessage(
        "XX000",
        f"the local database failed: {type(error).__name__}: {error}",
        hint="Connect again. This is a bug of the local database, not of your statement.",
        severity="FATAL",
    )


def outside_only(statement: Statement) -> ServerMessage:
    """Return the error for a statement that cannot run inside a transaction block."""
    return ServerMessage(
        "25001",
        f"{statement.node.upper()} cannot run inside a transaction block",
        hint="Send it in autocommit mode, after COMMIT.",
        position=statement.position.offset + 1,
    )


def no_block(statement: Statement) -> bytes:
    """Return PostgreSQL's warning for SET LOCAL or SET CONSTRAINTS outside of a transaction block, empty for others."""
    if statement.node != "ConstraintsSet" and not (
        statement.node == "VariableSet" and statement.sets_for_transaction
    ):
        return b""
    name = "SET CONSTRAINTS" if statement.node == "ConstraintsSet" else "SET LOCAL"
    text = f"{name} can only be used in transaction blocks"
    return ServerMessage("25P01", text, severity="WARNING").encode()
