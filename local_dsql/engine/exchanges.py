"""Exchanges: the usual course of a write, a BEGIN and a COMMIT, in two callbacks of the event loop and without a task.

An exchange sends PostgreSQL one request with one ReadyForQuery. If the answer is the usual one, `settle` does what is
left to do and returns the bytes for the client. If not, nothing is sent: the statement is executed by `execute` or
`autocommit`, which take the answer that is there already for that of their first run (`HeldSession.answered`).

Each class stands for a longer function: `AutocommitWrite` for `execute_autocommit`, `Write` for `execute`, `Begin` for
`begin`, `Commit` for `commit`. `is_possible` returns whether the steps that it leaves out would have no effect.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from local_dsql.engine import log_distance, prepared, savepoints
from local_dsql.engine.autocommit import note_committed, without_description
from local_dsql.engine.commit import is_undisputed, settle_answer, settle_success
from local_dsql.engine.execute import is_ready, note_statement
from local_dsql.engine.opening import Opening, close
from local_dsql.engine.requests import QUERY_SURPLUS, strip_surplus
from local_dsql.engine.size import may_bring_large_values
from local_dsql.wire import messages
from local_dsql.wire.collector import last_frame
from local_dsql.wire.frames import BODY
from local_dsql.wire.message_types import BackendMessage
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsql_dialect import Statement
    from local_dsql.engine.session import HeldSession

_GUARDED = messages.BIND_COMPLETE + messages.command_complete("SAVEPOINT") + messages.CLOSE_COMPLETE
_PREPARED = messages.PARSE_COMPLETE + messages.BIND_COMPLETE
_BEGUN = (
    messages.BIND_COMPLETE
    + messages.command_complete("BEGIN")
    + messages.BIND_COMPLETE
    + messages.command_complete("SAVEPOINT")
    + messages.BIND_COMPLETE
)
_OPENED = messages.command_complete("SELECT 1") + messages.READY[messages.IN_TRANSACTION]
_BEGIN_ANSWER = messages.command_complete("BEGIN") + messages.READY[messages.IN_TRANSACTION]
_COMMIT_COMPLETE = messages.command_complete("COMMIT")
_COMMIT_ANSWER = _COMMIT_COMPLETE + messages.READY[messages.IDLE]
_IN_TRANSACTION = messages.READY[messages.IN_TRANSACTION]


class Exchange(Protocol):
    """One request and what to do with its answer.

    Attributes:
        request: messages, with one ReadyForQuery in the answer.
        interruptible: the request may be cancelled, and its statement run again.
        undo: messages that undo it where the answer is not the usual one; empty if `HeldSession.answered` takes it.
        controls: it begins or ends a transaction.
    """

    controls: bool
    request: bytes
    interruptible: bool
    undo: bytes

    @property
    def identify(self) -> Callable[[bytes], bytes] | None:
        """As in `Backend.exchange`."""

    def settle(self, raw: bytes, *, failed: bool) -> bytes | None:
        """Return the client's answer, given PostgreSQL's; None if that is not the usual one."""

    def abandon(self) -> None:
        """End it without an answer: the connection is lost."""


class AutocommitWrite:
    """A write outside of a transaction, with `log_distance.check` behind it."""

    controls = False
    interruptible = True
    undo = b""

    def __init__(self, held: HeldSession, body: bytes, *, of_query: bool = False) -> None:
        services = held.services
        self._of_query = of_query
        self._read: tuple[bytes, bytes, log_distance.Distance | None] = b"", b"", None
        limit = services.log.end + log_distance.allowance(services.limits)
        self.request = body + log_distance.check(limit) + messages.SYNC
        self._held = held
        services.commits.begin()

    @staticmethod
    def is_possible(held: HeldSession, statement: Statement, size: int) -> bool:
        """Return whether a statement of so many bytes can be tried."""
        session, services = held.session, held.services
        return (
            session.prepared
            and not may_bring_large_values(statement, size)
            and not session.has_many_rows(statement.text)
            and not services.injector.is_armed
        )

    def identify(self, raw: bytes) -> bytes:
        """Return the part of the response that makes it a whole one: all but the result of the check."""
        self._read = raw, *log_distance.split(raw)
        return log_distance.identify(*self._read)

    def settle(self, raw: bytes, *, failed: bool) -> bytes | None:
        """Note the commit."""
        services = self._held.services
        read, answer, distance = self._read
        if read is not raw:
            answer, distance = log_distance.split(raw)
        if failed or distance is None or (usual := self._usual(answer)) is None:
            services.commits.finish()
            self._held.session.answered = self._held.backend.read_response(raw)
            return None
        services.log.end = distance.position
        note_committed(self._held, distance.xid)
        services.commits.finish(wrote=distance.xid is not None)
        return usual + messages.READY[messages.IDLE]

    def _usual(self, answer: bytes) -> bytes | None:
        return _as_of_query(answer) if self._of_query else answer

    def abandon(self) -> None:
        """Take it for committed, once the backend has ended."""
        self._held.services.finish_lost_commit(self._held.backend.pid)


class Write:
    """A write in an open transaction, behind a guard."""

    controls = False
    interruptible = True
    undo = b""
    identify = None

    def __init__(
        self, held: HeldSession, statement: Statement, body: bytes, *, of_query: bool = False
    ) -> None:
        self._of_query = of_query
        self.request = prepared.SET_GUARD + body + messages.SYNC
        self._held = held
        self._statement = statement

    @staticmethod
    def is_possible(held: HeldSession, statement: Statement, size: int) -> bool:
        """Return whether a statement of so many bytes can be tried: no other session is known to be in its way."""
        transaction, services = held.transaction, held.services
        return (
            held.session.prepared
            and not may_bring_large_values(statement, size)
            and is_ready(transaction, services)
            and transaction.doomed is None
            and not (transaction.implicit or transaction.changes_catalog or transaction.replay)
            and not services.commits.has_moved(transaction.commits)
            and services.catalog.write_is_known_to_be_counted(statement)
            and not services.injector.has_predicates
            and not transaction.rules.ddl
        )

    def settle(self, raw: bytes, *, failed: bool) -> bytes | None:
        """Count the rows."""
        held = self._held
        transaction, services = held.transaction, held.services
        usual = None
        if not (failed or services.commits.has_moved(transaction.commits)):
            usual = (
                _read_kept(raw, self._of_query) if len(raw) < _LONGEST_KEPT else _read(raw, self._of_query)
            )
        if usual is None or transaction.rows + usual[1] > services.limits.rows:
            held.session.answered = self._for_execute(raw)
            return None
        answer, rows = usual
        transaction.rows += rows
        transaction.uncounted += rows
        note_statement(held, self._statement)
        return answer

    def _for_execute(self, raw: bytes) -> Response:
        """Return an answer that is not the usual one as `execute` expects it in `HeldSession.answered`."""
        response = self._held.backend.read_response(raw)
        answer = Response(response.frames[prepared.GUARDED :], response.status)
        if not self._of_query:
            return answer
        answer = strip_surplus(answer, QUERY_SURPLUS)
        return answer if answer.error is None else without_description(answer)

    def abandon(self) -> None:
        """Do nothing: PostgreSQL rolls back."""


def _read(raw: bytes, of_query: bool) -> tuple[bytes, int] | None:
    """Return the client's answer to a write behind a guard, and the number of rows; None if it is not the usual one."""
    if not (raw.startswith(_GUARDED) and raw.endswith(_IN_TRANSACTION)):
        return None
    answer: bytes | None = raw[len(_GUARDED) : -len(_IN_TRANSACTION)]
    if answer is not None and of_query:
        answer = _as_of_query(answer)
    rows = _changed_rows(answer) if answer is not None else None
    return None if answer is None or rows is None else (answer + _IN_TRANSACTION, rows)


_LONGEST_KEPT = 512
"""Bytes of an answer that is kept with what was read from it; longer ones have rows, and differ."""
_read_kept = lru_cache(maxsize=512)(_read)


def _changed_rows(answer: bytes) -> int | None:
    """Return the number in the tag at the end of an answer; None if it does not end with one."""
    at = last_frame(answer, messages.IN_TRANSACTION)
    number = answer[at + BODY : -1].rpartition(b" ")[2] if at is not None else b""
    return int(number) if number.isdigit() else None


def _as_of_query(answer: bytes) -> bytes | None:
    """Return the answer to `requests.as_extended` as that to a Query; None if it is not the usual one."""
    if not (answer.startswith(_PREPARED) and answer.endswith(messages.CLOSE_COMPLETE)):
        return None
    return answer[len(_PREPARED) : -len(messages.CLOSE_COMPLETE)].removeprefix(messages.NO_DATA)


def _identify_begin(raw: bytes) -> bytes:
    """Return the part of the answer to a BEGIN that makes it a whole one: all but the values of the snapshot."""
    row = raw[len(_BEGUN) : -len(_OPENED)]
    is_row = messages.is_frame(row, BackendMessage.DATA_ROW)
    return _BEGUN + _OPENED if is_row and raw.startswith(_BEGUN) and raw.endswith(_OPENED) else raw


class Begin:
    """A BEGIN without options."""

    controls = True
    interruptible = False
    undo = savepoints.ROLLBACK
    identify = staticmethod(_identify_begin)
    request = prepared.BEGIN

    def __init__(self, held: HeldSession, begin: bytes) -> None:
        self._held = held
        self._begin = begin
        self._opening = Opening(held)

    @staticmethod
    def is_possible(held: HeldSession) -> bool:
        """Return whether it can be tried."""
        return held.session.prepared and not held.session.takes_turns

    def settle(self, raw: bytes, *, failed: bool) -> bytes | None:
        """Open the transaction."""
        self._opening.answered()
        if failed or not (raw.startswith(_BEGUN) and raw.endswith(_OPENED)):
            self._held.session.prepared = False
            return None
        self._opening.open(self._begin, messages.read_row(raw[len(_BEGUN) : -len(_OPENED)]), implicit=False)
        return _BEGIN_ANSWER

    def abandon(self) -> None:
        """Note that the transaction does not open."""
        self._opening.answered()


class Commit:
    """The COMMIT of a transaction that nothing can be wrong with."""

    controls = True
    interruptible = False
    undo = b""
    identify = None

    def __init__(self, held: HeldSession) -> None:
        self._held = held
        self._tell = held.services.others_are_open(held.session)
        self.request = savepoints.COMMIT_AND_TELL if self._tell else savepoints.COMMIT
        held.services.commits.begin()

    @staticmethod
    def is_possible(held: HeldSession) -> bool:
        """Return whether it can be tried."""
        return is_undisputed(held) and not held.services.injector.is_armed

    def settle(self, raw: bytes, *, failed: bool) -> bytes | None:
        """Close the transaction; an error that PostgreSQL itself has found is the answer, too."""
        held = self._held
        if raw == _COMMIT_ANSWER:
            outcome = settle_success(held)
        else:
            outcome = settle_answer(held, held.backend.read_response(raw), tell=self._tell)
        held.services.commits.finish(wrote=outcome.wrote)
        close(held)
        return (outcome.error or _COMMIT_COMPLETE) + messages.READY[messages.IDLE]

    def abandon(self) -> None:
        """Take it for committed, once the backend has ended."""
        self._held.services.finish_lost_commit(self._held.backend.pid)
