"""One libpq connection that sends a statement, waits for its answer without blocking, and measures the wait."""

from __future__ import annotations

import contextlib
import enum
import os
import re
import select
import socket
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from psycopg import pq

from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGresult

CODECS = {"UTF8": "utf-8", "LATIN1": "latin-1", "WIN1252": "cp1252", "EUC_JP": "euc_jp"}
"""Python's names of the client encodings that the tests use."""

HIDDEN_COLUMN = "_rid"
"""Column that the oracle adds to its tables; it is left out of every answer."""

_TICK = 0.005
"""Seconds of one poll; whatever a poll takes longer is a stall of this process, not of the server."""
_PARSE_LIMIT = 20.0
"""Seconds within which a statement is parsed."""
_PIECE = 1024 * 1024
"""Bytes of rows in one message of a COPY."""
_PLACE = re.compile(r"\$(\d+)")
_OK, _FAILED = pq.ExecStatus, (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE)
Row = tuple[bytes | None, ...]


class Protocol(enum.Enum):
    """Protocol in which a statement is sent."""

    SIMPLE = "simple"
    EXTENDED = "extended"
    PREPARED = "prepared"


@dataclass(frozen=True)
class Request:
    """A statement with `$1` for its values, which are text or NULL; `copy` is sent to COPY FROM STDIN."""

    sql: str
    values: tuple[str | None, ...] = ()
    copy: str | None = None
    protocol: Protocol = Protocol.EXTENDED
    binary: bool = False

    def __str__(self) -> str:
        shown = [
            value if value is None or len(value) < 60 else f"{value[:20]}…({len(value)})"
            for value in self.values
        ]
        copied = "" if self.copy is None else f" COPY {self.copy!r}"
        return f"{self.sql}{f' {shown}' if shown else ''}{copied} [{self.protocol.value}]"

    @property
    def inlined(self) -> str:
        """The text with its values as literals."""
        if not self.values:
            return self.sql
        return _PLACE.sub(lambda place: literal(self.values[int(place[1]) - 1]), self.sql)


@dataclass(frozen=True)
class Answer:
    """Rows or a tag, or an error; `seconds` without the stalls of this process."""

    tag: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    sqlstate: str = ""
    message: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def failed(self) -> bool:
        """Return whether it is an error."""
        return bool(self.sqlstate)

    def sorted(self) -> Answer:
        """Return it with its rows in an order."""
        return replace(self, rows=tuple(sorted(self.rows, key=repr)))

    def __str__(self) -> str:
        if self.failed:
            return f"{self.sqlstate} {self.message}"
        shown = " ".join(str(tuple(_shown(value) for value in row)) for row in self.rows[:12])
        return f"{self.tag} {shown}".strip()


def _shown(value: bytes | None) -> str | None:
    if value is None:
        return None
    text = value.decode("utf-8", "backslashreplace")
    return text if len(text) < 60 else f"{text[:20]}…({len(text)})"


class WireSession:
    """A connection; `start` sends a request, `poll` returns whether it has been answered, `take` gives the answer."""

    def __init__(self, conninfo: str) -> None:
        """Connect.

        Raises:
            ConnectionError: the server refuses, with its words.
        """
        self._pg = pq.PGconn.connect(conninfo.encode())
        if self._pg.status != pq.ConnStatus.OK:
            raise ConnectionError(self._pg.get_error_message())
        self._pg.nonblocking = 1
        self._pg.notice_handler = None
        self._names: dict[str, bytes] = {}
        self._prepares = 0
        self._answer = Answer()
        self._copy: bytes | None = None
        self._copied: list[bytes] = []
        self._began = self._stalled = 0.0

    @property
    def in_transaction(self) -> bool:
        """Return whether the server says that a transaction is open, be it a failed one."""
        return self._pg.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    @property
    def codec(self) -> str:
        """Python's name of the client encoding."""
        return CODECS[(self._pg.parameter_status(b"client_encoding") or b"UTF8").decode()]

    def parameter(self, name: str) -> str | None:
        """Return what the server reported of a setting."""
        value = self._pg.parameter_status(name.encode())
        return None if value is None else value.decode()

    def ask(self, request: Request | str, limit: float = 30.0) -> Answer:
        """Send a request and wait.

        Raises:
            TimeoutError: there is no answer after `limit` seconds.
        """
        asked = Request(request, protocol=Protocol.SIMPLE) if isinstance(request, str) else request
        self.start(asked)
        deadline = time.monotonic() + limit
        while not self.poll(_TICK):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer after {limit} s to {asked}")
        return self._answer

    def start(self, request: Request) -> None:
        """Send a request."""
        self._answer, self._copied = Answer(), []
        self._copy = None if request.copy is None else self._encoded(request.copy)
        self._began, self._stalled = time.monotonic(), 0.0
        if request.protocol is Protocol.SIMPLE or request.copy is not None:
            self._pg.send_query(self._encoded(request.inlined))
        elif request.protocol is Protocol.EXTENDED:
            self._pg.send_query_params(
                self._encoded(request.sql), self._values(request), result_format=_format(request)
            )
        else:
            self._pg.send_query_prepared(
                self._prepared(request), self._values(request), result_format=_format(request)
            )
        self._pg.flush()

    def poll(self, timeout: float) -> bool:
        """Return whether the answer is there, after at most `timeout` seconds."""
        began = time.monotonic()
        ready, _, _ = select.select([self._pg.socket], [], [], timeout)
        self._stalled += max(0.0, time.monotonic() - began - timeout) if not ready else 0.0
        return self.advance()

    def advance(self) -> bool:
        """Read what is there, and return whether the answer is complete."""
        try:
            self._pg.flush()
            self._pg.consume_input()
        except Exception as error:  # libpq has no class of its own for a torn connection
            return self._finish(sqlstate="08006", message=str(error))
        while not self._pg.is_busy():
            result = self._pg.get_result()
            if result is None:
                return self._finish()
            if result.status == _OK.COPY_IN:
                self._send_copy()
            elif result.status == _OK.COPY_OUT:
                if not self._read_copy():
                    return False
            else:
                self._note(result)
        return False

    def take(self) -> Answer:
        """Return the answer that `poll` has announced."""
        return self._answer

    def cut(self) -> None:
        """Tear the connection without a word."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._pg.socket)) as torn:
            torn.shutdown(socket.SHUT_RDWR)
        self._pg.finish()

    def close(self) -> None:
        """Hang up."""
        self._pg.finish()

    def _encoded(self, text: str) -> bytes:
        return text.encode(self.codec, "replace")

    def _values(self, request: Request) -> list[bytes | None]:
        return [None if value is None else self._encoded(value) for value in request.values]

    def _prepared(self, request: Request) -> bytes:
        if (known := self._names.get(request.sql)) is not None:
            return known
        self._prepares += 1
        name = b"q%d" % self._prepares
        self._pg.send_prepare(name, self._encoded(request.sql))
        self._pg.flush()
        while not self._settled():
            if not select.select([self._pg.socket], [], [], _PARSE_LIMIT)[0]:
                raise TimeoutError(f"no answer after {_PARSE_LIMIT} s to Parse of {request.sql}")
        if not self._answer.failed:  # else its execution fails too, and the first error is the answer
            self._names[request.sql] = name
        return name

    def _settled(self) -> bool:
        self._pg.consume_input()
        while not self._pg.is_busy():
            result = self._pg.get_result()
            if result is None:
                return True
            self._note(result)
        return False

    def forget_prepared(self) -> None:
        """Prepare every statement anew under another name."""
        self._names = {}

    def _send_copy(self) -> None:
        """Send the rows in messages that are shorter than the longest one that DSQL takes."""
        data = self._copy or b""
        for start in range(0, len(data) or 1, _PIECE):
            while self._pg.put_copy_data(data[start : start + _PIECE]) == 0:
                self._pg.flush()
        while self._pg.put_copy_end() == 0:
            self._pg.flush()
        self._pg.flush()

    def _read_copy(self) -> bool:
        while True:
            size, data = self._pg.get_copy_data(1)
            if size > 0:
                self._copied.append(bytes(data))
            else:
                return size < 0

    def _note(self, result: PGresult) -> None:
        """Keep the first error, else the last answer."""
        if self._answer.failed:
            return
        if result.status in _FAILED:
            code = result.error_field(pq.DiagnosticField.SQLSTATE)
            text = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
            self._answer = Answer(sqlstate=(code or b"08006").decode(), message=text.decode(errors="replace"))
            return
        names = [(result.fname(index) or b"").decode() for index in range(result.nfields)]
        kept = [index for index, name in enumerate(names) if name != HIDDEN_COLUMN]
        rows = tuple(
            tuple(result.get_value(row, index) for index in kept) for row in range(result.ntuples)
        ) or tuple((line,) for line in self._copied)
        tag = (result.command_status or b"").decode()
        self._answer = Answer(tag=tag, columns=tuple(names[index] for index in kept), rows=rows)

    def _finish(self, *, sqlstate: str = "", message: str = "") -> bool:
        if sqlstate and not self._answer.failed:
            self._answer = Answer(sqlstate=sqlstate, message=message)
        self._answer = replace(self._answer, seconds=time.monotonic() - self._began - self._stalled)
        return True


def _format(request: Request) -> pq.Format:
    return pq.Format.BINARY if request.binary else pq.Format.TEXT


def finish_all(sessions: Sequence[WireSession], limit: float) -> list[WireSession]:
    """Wait for the answers of several sessions at once, and return those that had none after `limit` seconds."""
    deadline = time.monotonic() + limit
    waiting = [session for session in sessions if not session.advance()]
    while waiting and time.monotonic() < deadline:
        waiting = [session for session in waiting if not session.poll(_TICK if len(waiting) == 1 else 0.001)]
    return waiting
