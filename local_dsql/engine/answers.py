"""Answers that a client may get. An error of PostgreSQL becomes one only with a finding that it is real.

PostgreSQL goes by the newest rows, Aurora DSQL by the snapshot of the transaction. An error that rows committed since
can cause, or that only other sessions can, is therefore no answer by itself: what sends answers takes an `Answer`, and
only the functions here make one.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING

from local_dsql.engine.errors import CONCURRENT, CONFLICT, SCHEMA_CHANGED, is_of_locks
from local_dsql.wire import messages
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from local_dsql.wire.frames import Frame
    from local_dsql.wire.messages import ServerMessage

_log = logging.getLogger(__name__)


class Finding(Enum):
    """The reason why an error holds by the snapshot of the transaction, too."""

    AUTOCOMMIT = (
        "the statement is a transaction by itself, whose snapshot shows all that was committed before it"
    )
    NOTHING_NEWER = "no row was committed into the table since the snapshot"
    VISIBLE = "the snapshot shows the row that is in the way"
    BY_SNAPSHOT = "PostgreSQL makes this check on the snapshot itself"
    RAISED = "a function of a client has raised it"
    OWN_ROWS = "rows of the statement are in each other's way"


class Answer(Response):
    """An answer that a client may get."""

    __slots__ = ()


def succeeded(response: Response) -> Answer:
    """Return the answer of PostgreSQL to a statement that has succeeded."""
    assert response.error is None
    return Answer(response.frames, response.status)


def refused(message: ServerMessage, status: bytes = messages.FAILED) -> Answer:
    """Return an error of the engine."""
    return Answer([(b"E", message.encode())], status)


def real(response: Response, finding: Finding) -> Answer:
    """Return an error of PostgreSQL that holds by the snapshot; one that others can cause needs a `finding`."""
    error = response.error
    assert error is not None
    if is_of_locks(error):
        return refused(CONFLICT, response.status)
    _log.debug("%s is real: %s", error["C"], finding.value)
    return Answer(response.frames, response.status)


def hinted(answer: Answer, hint: str) -> Answer:
    """Return an answer whose error, which has none, gets a hint."""
    frames = [(kind, messages.with_hint(raw, hint) if kind == b"E" else raw) for kind, raw in answer.frames]
    return Answer(frames, answer.status)


def reframed(answer: Answer, frames: list[Frame]) -> Answer:
    """Return an answer in other frames, as the client has asked for them."""
    return Answer(frames, answer.status)


def of_read(response: Response) -> Answer:
    """Return the answer to a statement that neither changes nor locks rows.

    Such a statement waits for changes of the catalog alone, so an error of locks is one of a change that others make.
    """
    error = response.error
    if error is not None and is_of_locks(error):
        return refused(SCHEMA_CHANGED, response.status)
    return Answer(response.frames, response.status)


def relayed_error(frame: bytes) -> bytes:
    """Return the ErrorResponse to relay in place of one of PostgreSQL, as `of_read`."""
    return SCHEMA_CHANGED.encode() if is_of_locks(messages.read_fields(frame)) else frame


def passed_on(response: Response) -> Answer:
    """Return an error of PostgreSQL that was not looked into: the conflict in place of one that others can cause."""
    error = response.error
    assert error is not None
    if error["C"] in CONCURRENT or is_of_locks(error):
        return refused(CONFLICT, response.status)
    return Answer(response.frames, response.status)
