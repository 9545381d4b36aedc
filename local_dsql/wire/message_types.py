"""Message types of protocol version 3, and the role of each client message; the only place that spells them.

A type byte means one thing from the client (the *frontend*) and another from the server (the *backend*): `E` is
Execute there and ErrorResponse here. Names are those of PostgreSQL's documentation, "Message Formats".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class FrontendMessage:
    """Types of messages that a client sends."""

    BIND: Final = b"B"
    CLOSE: Final = b"C"
    COPY_DATA: Final = b"d"
    COPY_DONE: Final = b"c"
    COPY_FAIL: Final = b"f"
    DESCRIBE: Final = b"D"
    EXECUTE: Final = b"E"
    FLUSH: Final = b"H"
    FUNCTION_CALL: Final = b"F"
    PARSE: Final = b"P"
    PASSWORD: Final = b"p"
    QUERY: Final = b"Q"
    SYNC: Final = b"S"
    TERMINATE: Final = b"X"


class BackendMessage:
    """Types of messages that a server sends."""

    AUTHENTICATION: Final = b"R"
    BACKEND_KEY_DATA: Final = b"K"
    BIND_COMPLETE: Final = b"2"
    CLOSE_COMPLETE: Final = b"3"
    COMMAND_COMPLETE: Final = b"C"
    COPY_DATA: Final = b"d"
    COPY_DONE: Final = b"c"
    COPY_IN_RESPONSE: Final = b"G"
    DATA_ROW: Final = b"D"
    EMPTY_QUERY_RESPONSE: Final = b"I"
    ERROR_RESPONSE: Final = b"E"
    NEGOTIATE_PROTOCOL_VERSION: Final = b"v"
    NO_DATA: Final = b"n"
    NOTIFICATION_RESPONSE: Final = b"A"
    NOTICE_RESPONSE: Final = b"N"
    PARAMETER_DESCRIPTION: Final = b"t"
    PARAMETER_STATUS: Final = b"S"
    PARSE_COMPLETE: Final = b"1"
    PORTAL_SUSPENDED: Final = b"s"
    READY_FOR_QUERY: Final = b"Z"
    ROW_DESCRIPTION: Final = b"T"


class ObjectKind:
    """The first byte of the body of Describe and Close."""

    PORTAL: Final = b"P"
    STATEMENT: Final = b"S"


class BatchRole(Enum):
    """Place of a client message in a batch: all that a client sends before it waits for answers."""

    EXTENDED = auto()
    """A step of the extended query protocol; more messages follow."""
    COPY = auto()
    """Rows of COPY FROM STDIN, or their end; more messages follow."""
    END = auto()
    """The last message of a batch."""


class CopyRole(Enum):
    """Effect of a client message while the server reads the rows of COPY FROM STDIN."""

    ROWS = auto()
    END = auto()
    IGNORED = auto()
    ERROR = auto()


@dataclass(frozen=True, slots=True)
class FrontendRole:
    """Role of one type of client message; `reply` is the type of the message that confirms it, empty: none."""

    batch: BatchRole
    during_copy: CopyRole = CopyRole.ERROR
    reply: bytes = b""


FRONTEND_ROLES: Final[Mapping[bytes, FrontendRole]] = {
    FrontendMessage.PARSE: FrontendRole(BatchRole.EXTENDED, reply=BackendMessage.PARSE_COMPLETE),
    FrontendMessage.BIND: FrontendRole(BatchRole.EXTENDED, reply=BackendMessage.BIND_COMPLETE),
    FrontendMessage.DESCRIBE: FrontendRole(BatchRole.EXTENDED),
    FrontendMessage.EXECUTE: FrontendRole(BatchRole.EXTENDED),
    FrontendMessage.CLOSE: FrontendRole(BatchRole.EXTENDED, reply=BackendMessage.CLOSE_COMPLETE),
    FrontendMessage.COPY_DATA: FrontendRole(BatchRole.COPY, CopyRole.ROWS),
    FrontendMessage.COPY_DONE: FrontendRole(BatchRole.COPY, CopyRole.END),
    FrontendMessage.COPY_FAIL: FrontendRole(BatchRole.COPY, CopyRole.END),
    FrontendMessage.FLUSH: FrontendRole(BatchRole.END, CopyRole.IGNORED),
    FrontendMessage.SYNC: FrontendRole(BatchRole.END, CopyRole.IGNORED),
    FrontendMessage.QUERY: FrontendRole(BatchRole.END),
    FrontendMessage.FUNCTION_CALL: FrontendRole(BatchRole.END),
    FrontendMessage.TERMINATE: FrontendRole(BatchRole.END),
}
"""All messages that a client may send once it is logged in."""

EXTENDED: Final = frozenset(kind for kind, role in FRONTEND_ROLES.items() if role.batch is BatchRole.EXTENDED)
COPY: Final = frozenset(kind for kind, role in FRONTEND_ROLES.items() if role.batch is BatchRole.COPY)
CONTINUES_BATCH: Final = EXTENDED | COPY
"""Messages after which a client sends more; any other, an unknown one too, ends a batch."""
