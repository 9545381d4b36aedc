"""Answers of PostgreSQL, some with many rows, and how they end."""

from __future__ import annotations

from typing import NamedTuple

from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.message_types import BackendMessage, FrontendMessage
from local_dsql.wire.probe import LONG

COLUMNS = messages.row_description([("n", messages.TEXT_OID)])
ROW = messages.data_row(["x" * 93])
DONE = messages.command_complete("SELECT 1")
ERROR = messages.error({"S": "ERROR", "V": "ERROR", "C": "22012", "M": "division by zero", "R": "int4div"})
NOTICE = messages.frame(BackendMessage.NOTICE_RESPONSE, b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0")

ROWS = {"none": b"", "one": ROW, "many": ROW * (LONG // len(ROW) + 10)}


class End(NamedTuple):
    """The frames after the rows, the status, and whether that is a failure."""

    said: bytes
    status: bytes
    failed: bool = False


ENDS: dict[str, End] = {
    "complete": End(DONE, messages.IDLE),
    "in a transaction": End(DONE, messages.IN_TRANSACTION),
    "an error": End(ERROR, messages.IDLE, True),
    "an error in a transaction": End(ERROR, messages.FAILED, True),
    "suspended": End(messages.SUSPENDED, messages.IN_TRANSACTION),
    "closed": End(DONE + messages.CLOSE_COMPLETE * 2, messages.IDLE),
    "with notices": End(NOTICE + DONE + NOTICE, messages.IDLE),
    "with a parameter": End(DONE + messages.parameter_status("TimeZone", "Z"), messages.IDLE),
    "another result": End(DONE + COLUMNS + ROW + DONE, messages.IDLE),
}


def answer_to_probe(probe: bytes, status: bytes) -> bytes:
    """Return what PostgreSQL answers; `test_long_answers` asks a real one."""
    replies = {
        FrontendMessage.PARSE: messages.PARSE_COMPLETE,
        FrontendMessage.CLOSE: messages.CLOSE_COMPLETE,
        FrontendMessage.SYNC: messages.READY[status],
    }
    parts = []
    types = b""
    for kind, raw in FrameReader().feed(probe):
        if kind == FrontendMessage.PARSE:
            types = raw[5:].split(b"\0", 2)[2]
        parts.append(
            messages.frame(BackendMessage.PARAMETER_DESCRIPTION, types) + messages.NO_DATA
            if kind == FrontendMessage.DESCRIBE
            else replies[kind]
        )
    return b"".join(parts)
