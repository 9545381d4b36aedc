"""Commands: the engine's own statements in a client's session, with bound values, several in one round trip.

They use a prepared statement and a portal with names of the engine, and close them. So the client's unnamed statement,
its unnamed portal and its named ones stay as they are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from local_dsql.engine.errors import EngineError
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.write_ahead_log.operations import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from local_dsql.wire.response import Response

_NAME = b"local_dsql_engine\0"
_FORGET = messages.frame(b"C", b"S" + _NAME)
"""Sent first: a command that failed has left its statement behind."""
_CLOSE = messages.frame(b"C", b"P" + _NAME)
_EXECUTE = messages.frame(b"E", _NAME + b"\0\0\0\0")

UTF8 = "UTF8"
"""The client_encoding in which the engine sends texts."""

BOOL, TEXT, OID, TID = 16, 25, 26, 27
TEXT_ARRAY, TID_ARRAY, INT4_ARRAY, INT8_ARRAY, XID_ARRAY, OID_ARRAY = 1009, 1010, 1007, 1016, 1011, 1028
_INT8, _XID, _INT4 = 20, 28, 23
_PLACE = struct.Struct("!IH")


class Parameter(NamedTuple):
    """A bound value in PostgreSQL's binary form, with the OID of its type; None is NULL."""

    type: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Command:
    """A statement of the engine; the rows of its result come in binary form if `binary`, else as text."""

    sql: str
    parameters: tuple[Parameter, ...] = ()
    binary: bool = False

    def encode(self) -> bytes:
        """Return the messages that run it, without Sync."""
        types = b"".join(struct.pack("!I", each.type) for each in self.parameters)
        count = struct.pack("!H", len(self.parameters))
        values = b"".join(
            struct.pack("!i", -1) if value is None else struct.pack("!I", len(value)) + value
            for _, value in self.parameters
        )
        formats = struct.pack("!HH", 1, 1)
        result = struct.pack("!HH", 1, int(self.binary))
        parse = messages.frame(b"P", _NAME + messages.cstring(self.sql) + count + types)
        bind = messages.frame(b"B", _NAME + _NAME + formats + count + values + result)
        return _FORGET + parse + bind + _EXECUTE + _CLOSE


Cell = bytes | None


@dataclass(slots=True)
class Result:
    """The answer to one command: its rows, or the fields of its error."""

    rows: list[list[Cell]] = field(default_factory=list)
    error: Mapping[str, str] | None = None

    @property
    def number(self) -> int:
        """The one number of a result in text form."""
        cell = self.rows[0][0]
        return int(cell) if cell is not None else 0

    @property
    def is_true(self) -> bool:
        """Return whether the one truth value of a result in text form is true."""
        return self.rows[0][0] == b"t"

    def texts(self) -> list[list[str | None]]:
        """Return the rows of a result in text form."""
        return [[None if cell is None else cell.decode() for cell in row] for row in self.rows]


def encode(commands: Iterable[Command]) -> bytes:
    """Return the messages that run commands one after the other, up to the first error, and one Sync."""
    return b"".join(each.encode() for each in commands) + messages.SYNC


def results(answer: Response) -> list[Result]:
    """Return the results of commands; those after an error have none."""
    found: list[Result] = []
    rows: list[list[Cell]] = []
    for kind, raw in answer.frames:
        if kind == b"D":
            rows.append(_cells(raw))
        elif kind in b"CI":
            found.append(Result(rows))
            rows = []
        elif kind == b"E":
            found.append(Result(error=messages.read_fields(raw)))
    return found


def first_error(found: Sequence[Result]) -> Mapping[str, str] | None:
    """Return the fields of the error among results, or None."""
    return found[-1].error if found else None


class CommandRunner(Protocol):
    """A held session that can run commands."""

    async def run(self, commands: Sequence[Command]) -> list[Result]:
        """Run commands in one round trip and return their results, the last one of which may be an error."""


async def run_checked(runner: CommandRunner, commands: Sequence[Command]) -> list[Result]:
    """Run commands, if any, in one round trip and return their results.

    Raises:
        EngineError: PostgreSQL refuses one.
    """
    found = await runner.run(commands) if commands else []
    if (error := first_error(found)) is not None:
        raise EngineError(error)
    return found


def _cells(raw: bytes) -> list[Cell]:
    count = int.from_bytes(raw[BODY : BODY + 2], "big")
    position, cells = BODY + 2, list[Cell]()
    for _ in range(count):
        length = int.from_bytes(raw[position : position + 4], "big", signed=True)
        position += 4
        cells.append(None if length < 0 else raw[position : position + length])
        position += max(length, 0)
    return cells


def text(value: str) -> Parameter:
    """Return a text as a parameter."""
    return Parameter(TEXT, value.encode())


def boolean(value: bool) -> Parameter:
    """Return a boolean as a parameter."""
    return Parameter(BOOL, bytes([value]))


def oid(value: int) -> Parameter:
    """Return an OID as a parameter."""
    return Parameter(OID, struct.pack("!I", value))


def _array(array_type: int, element_type: int, items: Sequence[bytes]) -> Parameter:
    if not items:
        return Parameter(array_type, struct.pack("!iii", 0, 0, element_type))
    head = struct.pack("!iiiii", 1, 0, element_type, len(items), 1)
    return Parameter(array_type, head + b"".join(struct.pack("!I", len(item)) + item for item in items))


def elements(array: Parameter) -> list[Parameter]:
    """Return arrays of one element each, for every element of an array without NULLs."""
    value, found = array.value or b"", list[Parameter]()
    position = 20 if len(value) > 20 else len(value)
    while position < len(value):
        end = position + 4 + int.from_bytes(value[position : position + 4], "big")
        head = struct.pack("!iiIii", 1, 0, int.from_bytes(value[8:12], "big"), 1, 1)
        found.append(Parameter(array.type, head + value[position:end]))
        position = end
    return found


def places(values: Iterable[Place]) -> Parameter:
    """Return places as a `tid[]` parameter."""
    return _array(TID_ARRAY, TID, [struct.pack("!IH", *each) for each in values])


def numbers(values: Iterable[int]) -> Parameter:
    """Return numbers as a `bigint[]` parameter."""
    return _array(INT8_ARRAY, _INT8, [struct.pack("!q", each) for each in values])


def oids(values: Iterable[int]) -> Parameter:
    """Return OIDs as an `oid[]` parameter."""
    return _array(OID_ARRAY, OID, [struct.pack("!I", each) for each in values])


def texts(values: Iterable[str]) -> Parameter:
    """Return texts as a `text[]` parameter."""
    return _array(TEXT_ARRAY, TEXT, [each.encode() for each in values])


def empty_array(array_type: int, element_type: int) -> Parameter:
    """Return an array without elements as a parameter."""
    return _array(array_type, element_type, ())


def picked(array: Parameter, numbers: Iterable[int]) -> Parameter:
    """Return an array of the elements with these numbers, from 0, of an array without NULLs."""
    found = [(each.value or b"")[24:] for each in elements(array)]
    element_type = int.from_bytes((array.value or b"")[8:12], "big")
    return _array(array.type, element_type, [found[number] for number in numbers])


NO_IMAGES = empty_array(INT4_ARRAY, _INT4)
"""An empty array where a statement takes no images."""


def read_text_array(value: Cell) -> list[str]:
    """Return the elements of a `text[]` without NULLs from binary form."""
    assert value is not None
    if value[:4] == b"\0\0\0\0":
        return []
    count = int.from_bytes(value[12:16], "big")
    position, found = 20, []
    for _ in range(count):
        length = int.from_bytes(value[position : position + 4], "big")
        position += 4
        found.append(value[position : position + length].decode())
        position += length
    return found


def parse_places(value: Cell) -> list[Place]:
    """Return the elements of a `tid[]` from binary form; NULL gives none."""
    count = int.from_bytes(value[12:16], "big") if value is not None and len(value) > 12 else 0
    return [Place(*_PLACE.unpack_from(value or b"", 24 + 10 * number)) for number in range(count)]


def read_int(value: Cell) -> int:
    """Return an integer from binary form."""
    assert value is not None
    return int.from_bytes(value, "big", signed=True)


def read_text(value: Cell) -> str:
    """Return a text from binary form."""
    assert value is not None
    return value.decode()


def read_bool(value: Cell) -> bool:
    """Return a boolean from binary form."""
    return value == b"\1"
