"""Answers of PostgreSQL, some with many rows, and how they end."""

from __future__ import annotations

from typing import NamedTuple

from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.probe import LONG

COLUMNS = messages.row_description([("n", messages.TEXT_OID)])
ROW = messages.data_row(["x" * 93])
DONE = messages.command_complete("SELECT 1")
ERROR = messages.error({"S": "ERROR", "V": "ERROR", "C": "22012", "M": "division by zero", "R": "int4div"})
NOTICE = messages.frame(b"N", b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0")

ROWS = {"none": b"", "one": ROW, "many": ROW * (LONG // len(ROW) + 10)}


class End(NamedTuple):
    """What comes after the rows, the status, and whether that is a failure."""

    said: bytes
    status: bytes
    failed: bool = False


ENDS: dict[str, End] = {
    "complete": End(DONE, b"I"),
    "in a transaction": End(DONE, b"T"),
    "an error": End(ERROR, b"I", True),
    "an error in a transaction": End(ERROR, b"E", True),
    "suspended": End(messages.SUSPENDED, b"T"),
    "closed": End(DONE + messages.CLOSE_COMPLETE * 2, b"I"),
    "with notices": End(NOTICE + DONE + NOTICE, b"I"),
    "with a parameter": End(DONE + messages.parameter_status("TimeZone", "Z"), b"I"),
    "another result": End(DONE + COLUMNS + ROW + DONE, b"I"),
}


def answer_to_probe(probe: bytes, status: bytes) -> bytes:
    """Return what PostgreSQL answers; `test_long_answers` asks a real one."""
    replies = {b"P": messages.PARSE_COMPLETE, b"C": messages.CLOSE_COMPLETE, b"S": messages.READY[status]}
    parts = []
    types = b""
    for kind, raw in FrameReader().feed(probe):
        if kind == b"P":
            types = raw[5:].split(b"\0", 2)[2]
        parts.append(messages.frame(b"t", types) + messages.NO_DATA if kind == b"D" else replies[kind])
    return b"".join(parts)
