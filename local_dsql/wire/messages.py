"""Building and reading single messages."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.wire.frames import BODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102
PROTOCOL_3 = 196608

TEXT_OID = 25
BOOL_OID = 16

_LENGTH = struct.Struct("!I")


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """Return a message of the given type."""
    return kind + _LENGTH.pack(len(body) + 4) + body


SYNC = frame(b"S")
PARSE_COMPLETE = frame(b"1")
BIND_COMPLETE = frame(b"2")
CLOSE_COMPLETE = frame(b"3")
NO_DATA = frame(b"n")
NO_PARAMETERS = frame(b"t", b"\0\0")
EMPTY_QUERY = frame(b"I")
SUSPENDED = frame(b"s")
AUTHENTICATION_OK = frame(b"R", _LENGTH.pack(0))
PASSWORD_REQUEST = frame(b"R", _LENGTH.pack(3))
IDLE, IN_TRANSACTION, FAILED = b"I", b"T", b"E"
READY = {status: frame(b"Z", status) for status in (IDLE, IN_TRANSACTION, FAILED)}


def is_frame(data: bytes, kind: bytes) -> bool:
    """Tell whether bytes are a message of the given type, by its header."""
    return data[:1] == kind and int.from_bytes(data[1:BODY], "big") + 1 == len(data)


def cstring(text: str) -> bytes:
    """Return text as a C string."""
    return text.encode() + b"\0"


def query(sql: str, codec: str = "utf-8") -> bytes:
    """Return a simple Query; `codec` is what Python calls the client's encoding."""
    return frame(b"Q", sql.encode(codec, "surrogateescape") + b"\0")


def aside(sql: str) -> bytes:
    """Return what runs a statement as a Query does, and leaves the unnamed statement and the unnamed portal alone."""
    name = b"local_dsql_aside\0"
    return b"".join(
        [
            frame(b"C", b"S" + name),  # one that failed has left it behind
            frame(b"P", name + cstring(sql) + b"\0\0"),
            frame(b"B", name + name + b"\0\0\0\0\0\0"),
            frame(b"E", name + b"\0\0\0\0"),
            frame(b"C", b"P" + name),
            SYNC,
        ]
    )


def startup(parameters: Mapping[str, str]) -> bytes:
    """Return a startup message of protocol 3.0."""
    pairs = b"".join(cstring(name) + cstring(value) for name, value in parameters.items())
    body = _LENGTH.pack(PROTOCOL_3) + pairs + b"\0"
    return _LENGTH.pack(len(body) + 4) + body


def read_startup(body: bytes) -> dict[str, str]:
    """Return the parameters of a startup message, its length and code left out.

    Raises:
        ValueError: it is not pairs of strings.
    """
    parts = body.split(b"\0")
    names = parts[:-2:2] if len(parts) > 2 else []
    if body[-1:] != b"\0" or len(parts) % 2:
        raise ValueError("the startup message is malformed")
    return {name.decode(): value.decode() for name, value in zip(names, parts[1::2], strict=False) if name}


def parameter_status(name: str, value: str) -> bytes:
    """Return a ParameterStatus."""
    return frame(b"S", cstring(name) + cstring(value))


def command_complete(tag: str) -> bytes:
    """Return a CommandComplete."""
    return frame(b"C", cstring(tag))


def row_description(columns: Sequence[tuple[str, int]], formats: Sequence[int] = ()) -> bytes:
    """Return a RowDescription for columns of name and type OID (text or boolean)."""
    body = struct.pack("!H", len(columns))
    for index, (name, oid) in enumerate(columns):
        size = 1 if oid == BOOL_OID else -1
        form = formats[index % len(formats)] if formats else 0
        body += cstring(name) + struct.pack("!IhIhih", 0, 0, oid, size, -1, form)
    return frame(b"T", body)


def data_row(values: Iterable[str | None]) -> bytes:
    """Return a DataRow of text values."""
    cells = [None if value is None else value.encode() for value in values]
    body = struct.pack("!H", len(cells))
    for cell in cells:
        body += struct.pack("!i", -1) if cell is None else _LENGTH.pack(len(cell)) + cell
    return frame(b"D", body)


def read_row(raw: bytes) -> list[str | None]:
    """Return the values of a DataRow in text format."""
    count = int.from_bytes(raw[5:7], "big")
    position, values = 7, []
    for _ in range(count):
        length = int.from_bytes(raw[position : position + 4], "big", signed=True)
        position += 4
        values.append(None if length < 0 else raw[position : position + length].decode())
        position += max(length, 0)
    return values


def read_fields(raw: bytes) -> dict[str, str]:
    """Return the fields of an ErrorResponse or NoticeResponse by their letter."""
    return {chr(part[0]): part[1:].decode(errors="replace") for part in raw[BODY:].split(b"\0") if part}


def error(fields: Mapping[str, str]) -> bytes:
    """Return an ErrorResponse with the given fields."""
    return frame(b"E", b"".join(key.encode() + cstring(value) for key, value in fields.items()) + b"\0")


def moved(raw: bytes, by: int) -> bytes:
    """Return an ErrorResponse or NoticeResponse whose position in the text is so many characters further on."""
    parts = raw[BODY:].split(b"\0")
    shifted = [b"P%d" % (int(part[1:]) + by) if part[:1] == b"P" else part for part in parts]
    return frame(raw[:1], b"\0".join(shifted))


def parse_parts(raw: bytes) -> tuple[bytes, bytes]:
    """Return the name and the text of a Parse."""
    name, sql, types = raw[BODY:].split(b"\0", 2)
    if len(types) != 2 + 4 * int.from_bytes(types[:2], "big"):
        raise ValueError("no types of parameters")
    return name, sql


def bind_parts(raw: bytes) -> tuple[bytes, bytes]:
    """Return the portal and the statement name of a Bind."""
    portal, statement, _ = raw[BODY:].split(b"\0", 2)
    return portal, statement


def execute_parts(raw: bytes) -> tuple[bytes, int]:
    """Return the portal and the row limit (0: none) of an Execute."""
    portal, limit = raw[BODY:].split(b"\0", 1)
    if len(limit) != 4:
        raise ValueError("no row limit")
    return portal, int.from_bytes(limit[:4], "big")


def target_parts(raw: bytes) -> tuple[bytes, bytes]:
    """Return `S` or `P`, and the name, of a Describe or Close.

    Raises:
        ValueError: it is malformed, as in `parse_parts`, `bind_parts` and `execute_parts`.
    """
    name, _ = raw[BODY + 1 :].split(b"\0")
    target = raw[BODY : BODY + 1]
    if target not in (b"S", b"P"):
        raise ValueError("neither a statement nor a portal")
    return target, name


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
    """What an error says: everything a driver reads from it."""

    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    position: int | None = None
    severity: str = "ERROR"

    def encode(self) -> bytes:
        """Return it as an ErrorResponse (a warning as NoticeResponse) with all that there is of it."""
        fields = {"S": self.severity, "V": self.severity, "C": self.sqlstate, "M": self.message}
        if self.detail is not None:
            fields["D"] = self.detail
        if self.hint is not None:
            fields["H"] = self.hint
        if self.position is not None:
            fields["P"] = str(self.position)
        return error(fields) if self.severity != "WARNING" else frame(b"N", error(fields)[BODY:])
