"""Build and read single messages."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import BackendMessage, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
PROTOCOL_3 = 196608
"""Protocol 3.0, the newest that PostgreSQL 16 speaks; the upper 16 bits are the major version."""

ENCRYPTION_ACCEPTED = b"S"
ENCRYPTION_REFUSED = b"N"

CONTEXT_FIELD = b"W"
"""Code of the field of an error that has its context (PostgreSQL documentation, error and notice message fields)."""

TEXT_OID = 25
BOOL_OID = 16

_LENGTH = struct.Struct("!I")
_COUNT, _VALUE_LENGTH = struct.Struct("!H").unpack_from, struct.Struct("!i").unpack_from
_NO_PARAMETERS = b"\0\0\0\0\0\0"
"""The rest of a Bind: no parameter formats, no parameters, results as text."""


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """Return a message of the given type."""
    return kind + _LENGTH.pack(len(body) + 4) + body


FLUSH = frame(FrontendMessage.FLUSH)
SYNC = frame(FrontendMessage.SYNC)
TERMINATE = frame(FrontendMessage.TERMINATE)
PARSE_COMPLETE = frame(BackendMessage.PARSE_COMPLETE)
BIND_COMPLETE = frame(BackendMessage.BIND_COMPLETE)
CLOSE_COMPLETE = frame(BackendMessage.CLOSE_COMPLETE)
NO_DATA = frame(BackendMessage.NO_DATA)
NO_PARAMETERS = frame(BackendMessage.PARAMETER_DESCRIPTION, b"\0\0")
EMPTY_QUERY = frame(BackendMessage.EMPTY_QUERY_RESPONSE)
SUSPENDED = frame(BackendMessage.PORTAL_SUSPENDED)
AUTHENTICATION_OK = frame(BackendMessage.AUTHENTICATION, _LENGTH.pack(0))
PASSWORD_REQUEST = frame(BackendMessage.AUTHENTICATION, _LENGTH.pack(3))
IDLE, IN_TRANSACTION, FAILED = b"I", b"T", b"E"
"""The transaction status in ReadyForQuery."""
READY = {status: frame(BackendMessage.READY_FOR_QUERY, status) for status in (IDLE, IN_TRANSACTION, FAILED)}


def is_frame(data: bytes, kind: bytes) -> bool:
    """Return whether bytes are one message of the given type, by its header."""
    return data[:1] == kind and int.from_bytes(data[1:BODY], "big") + 1 == len(data)


def cstring(text: str) -> bytes:
    """Return text as a C string."""
    return text.encode() + b"\0"


def query(sql: str, codec: str = "utf-8") -> bytes:
    """Return a Query; `codec` is Python's name of the client's encoding."""
    return frame(FrontendMessage.QUERY, sql.encode(codec, "surrogateescape") + b"\0")


def parse(sql: bytes, name: bytes = b"", types: bytes = b"") -> bytes:
    """Return a Parse; `types` are the OIDs of parameters, 4 bytes each."""
    body = name + b"\0" + sql + b"\0" + struct.pack("!H", len(types) // 4) + types
    return frame(FrontendMessage.PARSE, body)


def bind(portal: bytes = b"", name: bytes = b"") -> bytes:
    """Return a Bind of a statement without parameters, whose results are text."""
    return frame(FrontendMessage.BIND, portal + b"\0" + name + b"\0" + _NO_PARAMETERS)


def binds_unnamed(raw: bytes) -> bool:
    """Return whether a message is `bind()`, except for its result formats."""
    return raw[BODY:].startswith(b"\0\0" + _NO_PARAMETERS[:4])


def binds_no_values(raw: bytes) -> bool:
    """Return whether a Bind is well-formed and has no parameters."""
    rest = raw[BODY:].split(b"\0", 2)[2]
    return rest.startswith(_NO_PARAMETERS[:4]) and len(rest) == len(_NO_PARAMETERS) + 2 * int.from_bytes(
        rest[4:6], "big"
    )


def describe(kind: bytes, name: bytes = b"") -> bytes:
    """Return a Describe of a portal or of a statement (`ObjectKind`)."""
    return frame(FrontendMessage.DESCRIBE, kind + name + b"\0")


def execute(portal: bytes = b"", limit: int = 0) -> bytes:
    """Return an Execute; `limit` is the largest number of rows, 0: all."""
    return frame(FrontendMessage.EXECUTE, portal + b"\0" + _LENGTH.pack(limit))


def close(kind: bytes, name: bytes = b"") -> bytes:
    """Return a Close of a portal or of a statement (`ObjectKind`)."""
    return frame(FrontendMessage.CLOSE, kind + name + b"\0")


def copy_fail(reason: str) -> bytes:
    """Return a CopyFail."""
    return frame(FrontendMessage.COPY_FAIL, cstring(reason))


def side_query(sql: str) -> bytes:
    """Return messages that run a statement as a Query does, but keep the unnamed statement and the unnamed portal."""
    name = b"local_dsql_side_query"
    return b"".join(
        [
            # what a failed one has left
            close(ObjectKind.PORTAL, name),
            close(ObjectKind.STATEMENT, name),
            parse(sql.encode(), name),
            bind(name, name),
            execute(name),
            close(ObjectKind.PORTAL, name),
            close(ObjectKind.STATEMENT, name),
            SYNC,
        ]
    )


def startup(parameters: Mapping[str, str], version: int = PROTOCOL_3) -> bytes:
    """Return a startup message."""
    pairs = b"".join(cstring(name) + cstring(value) for name, value in parameters.items())
    body = _LENGTH.pack(version) + pairs + b"\0"
    return _LENGTH.pack(len(body) + 4) + body


def read_startup(body: bytes) -> dict[str, str]:
    """Return the parameters of a startup message, given without its length and protocol version.

    Raises:
        ValueError: it is not pairs of strings.
    """
    parts = body.split(b"\0")
    names = parts[:-2:2] if len(parts) > 2 else []
    if body[-1:] != b"\0" or len(parts) % 2:
        raise ValueError("the startup message is malformed")
    return {name.decode(): value.decode() for name, value in zip(names, parts[1::2], strict=False) if name}


def negotiate_protocol_version(options: Sequence[str]) -> bytes:
    """Return a NegotiateProtocolVersion: the newest protocol is 3.0, and `options` are not supported."""
    body = struct.pack("!II", PROTOCOL_3, len(options)) + b"".join(map(cstring, options))
    return frame(BackendMessage.NEGOTIATE_PROTOCOL_VERSION, body)


def parameter_status(name: str, value: str) -> bytes:
    """Return a ParameterStatus."""
    return frame(BackendMessage.PARAMETER_STATUS, cstring(name) + cstring(value))


def command_complete(tag: str) -> bytes:
    """Return a CommandComplete."""
    return frame(BackendMessage.COMMAND_COMPLETE, cstring(tag))


def row_description(columns: Sequence[tuple[str, int]], formats: Sequence[int] = ()) -> bytes:
    """Return a RowDescription for columns of name and type OID (text or boolean)."""
    body = struct.pack("!H", len(columns))
    for index, (name, oid) in enumerate(columns):
        size = 1 if oid == BOOL_OID else -1
        form = formats[index % len(formats)] if formats else 0
        body += cstring(name) + struct.pack("!IhIhih", 0, 0, oid, size, -1, form)
    return frame(BackendMessage.ROW_DESCRIPTION, body)


def data_row(values: Iterable[str | None]) -> bytes:
    """Return a DataRow of text values."""
    cells = [None if value is None else value.encode() for value in values]
    body = struct.pack("!H", len(cells))
    for cell in cells:
        body += struct.pack("!i", -1) if cell is None else _LENGTH.pack(len(cell)) + cell
    return frame(BackendMessage.DATA_ROW, body)


def read_row(raw: bytes) -> list[str | None]:
    """Return the values of a DataRow in text format."""
    values: list[str | None] = []
    position = BODY + 2
    for _ in range(_COUNT(raw, BODY)[0]):
        length = _VALUE_LENGTH(raw, position)[0]
        position += 4
        if length < 0:
            values.append(None)
        else:
            end = position + length
            values.append(raw[position:end].decode())
            position = end
    return values


def read_fields(raw: bytes) -> dict[str, str]:
    """Return the fields of an ErrorResponse or NoticeResponse by their letter."""
    return {chr(part[0]): part[1:].decode(errors="replace") for part in raw[BODY:].split(b"\0") if part}


def error(fields: Mapping[str, str]) -> bytes:
    """Return an ErrorResponse with the given fields."""
    return frame(
        BackendMessage.ERROR_RESPONSE,
        b"".join(key.encode() + cstring(value) for key, value in fields.items()) + b"\0",
    )


def with_hint(raw: bytes, hint: str) -> bytes:
    """Return an ErrorResponse that has no hint with one, its other fields as they are."""
    return frame(raw[:1], raw[BODY:-1] + b"H" + cstring(hint) + b"\0")


def shift_position(raw: bytes, by: int) -> bytes:
    """Return an ErrorResponse or NoticeResponse with `by` characters added to its position in the text."""
    parts = raw[BODY:].split(b"\0")
    shifted = [b"P%d" % (int(part[1:]) + by) if part[:1] == b"P" else part for part in parts]
    return frame(raw[:1], b"\0".join(shifted))


def parse_parts(raw: bytes) -> tuple[bytes, bytes]:
    """Return the name and the text of a Parse.

    Raises:
        ValueError: it is malformed.
    """
    name, sql, types = raw[BODY:].split(b"\0", 2)
    if len(types) != 2 + 4 * int.from_bytes(types[:2], "big"):
        raise ValueError("no types of parameters")
    return name, sql


def bind_parts(raw: bytes) -> tuple[bytes, bytes]:
    """Return the portal and the statement name of a Bind.

    Raises:
        ValueError: it is malformed.
    """
    portal, statement, _ = raw[BODY:].split(b"\0", 2)
    return portal, statement


def execute_parts(raw: bytes) -> tuple[bytes, int]:
    """Return the portal and the row limit (0: none) of an Execute.

    Raises:
        ValueError: it is malformed.
    """
    portal, limit = raw[BODY:].split(b"\0", 1)
    if len(limit) != 4:
        raise ValueError("no row limit")
    return portal, int.from_bytes(limit[:4], "big")


def target_parts(raw: bytes) -> tuple[bytes, bytes]:
    """Return the `ObjectKind` and the name of a Describe or Close.

    Raises:
        ValueError: it is malformed.
    """
    name, _ = raw[BODY + 1 :].split(b"\0")
    kind = raw[BODY : BODY + 1]
    if kind not in (ObjectKind.STATEMENT, ObjectKind.PORTAL):
        raise ValueError("neither a statement nor a portal")
    return kind, name


def result_formats(raw: bytes) -> list[int]:
    """Return the result format codes of a Bind (0 text, 1 binary)."""
    position = raw.index(b"\0", raw.index(b"\0", BODY) + 1) + 1
    formats = int.from_bytes(raw[position : position + 2], "big")
    position += 2 + 2 * formats
    parameters = int.from_bytes(raw[position : position + 2], "big")
    position += 2
    for _ in range(parameters):
        position += 4 + max(int.from_bytes(raw[position : position + 4], "big", signed=True), 0)
    count = int.from_bytes(raw[position : position + 2], "big")
    position += 2
    return [int.from_bytes(raw[position + 2 * i : position + 2 * i + 2], "big") for i in range(count)]


@dataclass(frozen=True, slots=True)
class ServerMessage:
    """An error or warning of the server: all fields that a driver reads."""

    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    position: int | None = None
    severity: str = "ERROR"
    schema: str | None = None
    table: str | None = None
    constraint: str | None = None

    def encode(self) -> bytes:
        """Return an ErrorResponse; for a warning, a NoticeResponse."""
        fields = {"S": self.severity, "V": self.severity, "C": self.sqlstate, "M": self.message}
        if self.detail is not None:
            fields["D"] = self.detail
        if self.hint is not None:
            fields["H"] = self.hint
        if self.position is not None:
            fields["P"] = str(self.position)
        for field, value in (("s", self.schema), ("t", self.table), ("n", self.constraint)):
            if value is not None:
                fields[field] = value
        encoded = error(fields)
        return (
            encoded if self.severity != "WARNING" else frame(BackendMessage.NOTICE_RESPONSE, encoded[BODY:])
        )
