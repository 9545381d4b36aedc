"""A check after a statement in its pipeline: the growth of the log bounds the changes of the statement.

PostgreSQL evaluates the check within the statement's transaction, before it commits. If the log has passed a position,
the check divides by zero, and PostgreSQL rolls back. So a statement in autocommit costs one round trip and still cannot
exceed a limit.
"""

from __future__ import annotations

from enum import Enum, auto
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from local_dsql.engine.errors import DIVISION_BY_ZERO, INVALID_STATEMENT_NAME
from local_dsql.wire import messages
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import BackendMessage, ObjectKind

if TYPE_CHECKING:
    from local_dsql.engine.limits import Limits
    from local_dsql.wire.frames import Frame

_NAME = b"local_dsql_distance"
_LSN = Struct("!I").pack(3220)
_SQL = (
    b"SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.pg_current_xact_id_if_assigned(),"
    b" pg_catalog.int4div(1, pg_catalog.int4(pg_catalog.pg_lsn_lt(pg_catalog.pg_current_wal_insert_lsn(), $1)))"
)
PREPARE = messages.close(ObjectKind.STATEMENT, _NAME) + messages.parse(_SQL, _NAME, _LSN)
"""Prepares the check; its answer has `PREPARED` frames."""
PREPARED = 2

_FORMATS, _VALUE, _RESULTS = b"\0\1\0\1", b"\0\1\0\0\0\10", b"\0\1\0\1"
_BEFORE = b"\0" + _NAME + b"\0" + _FORMATS + _VALUE
_BIND = messages.frame(b"B", _BEFORE + bytes(8) + _RESULTS)
_HEAD, _TAIL = _BIND[: -8 - len(_RESULTS)], _RESULTS + messages.execute()
_POSITION = Struct("!11xQi").unpack_from
_XID = Struct("!23xQ").unpack_from
_COMPLETIONS = (
    BackendMessage.COMMAND_COMPLETE,
    BackendMessage.EMPTY_QUERY_RESPONSE,
    BackendMessage.PORTAL_SUSPENDED,
)
_ANSWER = 3
"""Frames of the check's answer: BindComplete, DataRow, CommandComplete."""

SMALLEST_RECORD = 56
"""Least number of bytes in the log for a changed row: 24 of the record's header, 20 of the block's, 2 and 8 of a
DELETE, aligned (access/xlogrecord.h, heapam_xlog.h of PostgreSQL 16). COPY is different: it packs many rows into one
record."""


class Distance(NamedTuple):
    """Result of the check: the position in the log, and the transaction's number (64 bits) if it has one."""

    position: int
    xid: int | None


def allowance(limits: Limits) -> int:
    """Return the bytes of log within which no statement but COPY can exceed the limits."""
    return min(limits.rows * SMALLEST_RECORD, limits.bytes)


def check(limit: int) -> bytes:
    """Return the messages that make the transaction fail unless the log ends before a position."""
    return _HEAD + limit.to_bytes(8, "big") + _TAIL


def read(frames: list[Frame]) -> tuple[list[Frame], Distance | None]:
    """Return the frames of the statement in an answer that includes the check, and the result of the check.

    None: the statement, the check or the COMMIT failed, and the last frame is the error.
    """
    end = len(frames)
    while end and frames[end - 1][0] == BackendMessage.NOTICE_RESPONSE:
        end -= 1  # of the COMMIT
    if end <= _ANSWER or frames[end - 1][0] != BackendMessage.COMMAND_COMPLETE:
        return frames, None
    position, length = _POSITION(frames[end - 2][1])
    distance = Distance(position, _XID(frames[end - 2][1])[0] if length > 0 else None)
    return frames[: end - _ANSWER] + frames[end:], distance


_TAIL_OF_ANSWER = messages.command_complete("SELECT 1") + messages.READY[messages.IDLE]
_HEADS = {
    len(messages.BIND_COMPLETE) + size + len(_TAIL_OF_ANSWER): messages.BIND_COMPLETE
    + messages.frame(BackendMessage.DATA_ROW, bytes(size - BODY))[:BODY]
    + b"\0\3"
    for size in (39, 31)
}
"""The beginning of the check's answer by its length: its row has a transaction's number, or none."""
_CHECKED = b" and the check"
"""No whole answer ends so."""


def split(raw: bytes) -> tuple[bytes, Distance | None]:
    """As `read`, of the bytes of an answer up to ReadyForQuery; None also where it has messages of the COMMIT.

    No other answer has this end: a row or an error ends otherwise.
    """
    if not raw.endswith(_TAIL_OF_ANSWER):
        return raw, None
    for size, head in _HEADS.items():
        start = len(raw) - size
        if start >= 0 and raw.startswith(head, start):
            row = start + len(messages.BIND_COMPLETE)
            position, length = _POSITION(raw, row)
            return raw[:start], Distance(position, _XID(raw, row)[0] if length > 0 else None)
    return raw, None


def identify(raw: bytes, answer: bytes, distance: Distance | None) -> bytes:
    """Return the part of an answer that makes it a whole one, given it and the result of `split`.

    What comes before the check is whole messages if it was so once, and the check's answer has a fixed length.
    """
    return raw if distance is None else answer + _CHECKED


class Failure(Enum):
    """Part that failed: the statement, the check after it, or their COMMIT."""

    STATEMENT = auto()
    DISTANCE = auto()
    """The log has passed the limit."""
    NOT_PREPARED = auto()
    """The client has dropped the check (DEALLOCATE ALL)."""
    COMMIT = auto()


def failure(frames: list[Frame], sqlstate: str) -> Failure:
    """Return the part that failed in an answer that ends with an error: the statement, until its frames are
    complete."""
    if not any(kind in _COMPLETIONS for kind, _ in frames):
        return Failure.STATEMENT
    if sqlstate == INVALID_STATEMENT_NAME:
        return Failure.NOT_PREPARED
    return Failure.DISTANCE if sqlstate == DIVISION_BY_ZERO else Failure.COMMIT
