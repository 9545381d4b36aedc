"""A session as libpq has it: raw command tags, column names and text values, over either protocol."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PGconn

from local_dsql.conformance.facts import Answer, Refusal, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg.pq.abc import PGresult

    from local_dsql.conformance.facts import Protocol

PATIENCE = 120.0
"""Seconds to wait for an answer; on a real cluster DDL queues behind the cluster's own jobs."""

CATALOG_RETRIES = 12
CATALOG_PAUSE = 0.3
"""Tries of what hit a change of the catalog, and seconds between them: those of the CI of AWS's own linter."""


class ConformanceError(Exception):
    """The cluster cannot be asked: it cannot be reached, is silent, or refuses what the cases build on."""


class Session:
    """One connection to a cluster."""

    def __init__(self, dsn: str) -> None:
        """Connect.

        Raises:
            ConformanceError: the cluster refused, or cannot be reached.
        """
        self._connection = PGconn.connect(dsn.encode())
        if self._connection.status != ConnStatus.OK:
            reason = self._connection.get_error_message().strip()
            self.close()
            raise ConformanceError(f"cannot connect: {reason}")
        self._connection.notice_handler = None

    @property
    def usable(self) -> bool:
        """Whether the server still talks to this session."""
        return self._connection.status == ConnStatus.OK

    def close(self) -> None:
        """Leave."""
        self._connection.finish()

    def run(self, sql: str, protocol: Protocol = "simple") -> tuple[Answer, ...]:
        """Send `sql` and return the answers to the statements in it.

        Raises:
            ConformanceError: no answer came within `PATIENCE`.
        """
        if protocol == "simple":
            self._connection.send_query(sql.encode())
        else:
            self._connection.send_query_params(sql.encode(), None)
        answers = []
        while (result := self._next(sql)) is not None:
            answers.append(_answer(result))
        return tuple(answers)

    def prepare(self, sql: str) -> None:
        """Run a statement that cases build on, again where the catalog changed under it.

        Raises:
            ConformanceError: the statement failed.
        """
        answers = again_on_catalog_change(lambda: self.run(sql))
        for answer in answers:
            if isinstance(answer, Refusal):
                raise ConformanceError(f"{sql}\n{answer.sqlstate}: {answer.message}")

    def _next(self, sql: str) -> PGresult | None:
        deadline = time.monotonic() + PATIENCE
        while self._connection.is_busy():
            patience = deadline - time.monotonic()
            ready, _, _ = select.select([self._connection.socket], [], [], max(patience, 0))
            if not ready:
                raise ConformanceError(f"no answer within {PATIENCE:.0f} s to: {sql}")
            self._connection.consume_input()
        return self._connection.get_result()


def is_catalog_change(answer: Answer) -> bool:
    """Return whether the answer is OC001, which asks for a retry and says nothing about the statement."""
    return isinstance(answer, Refusal) and answer.sqlstate == "40001" and "OC001" in answer.message


def again_on_catalog_change(attempt: Callable[[], tuple[Answer, ...]]) -> tuple[Answer, ...]:
    """Return the answers of the first attempt that no change of the catalog disturbed, or of the last one."""
    for _ in range(CATALOG_RETRIES):
        answers = attempt()
        if not any(map(is_catalog_change, answers)):
            break
        time.sleep(CATALOG_PAUSE)
    return answers


def _answer(result: PGresult) -> Answer:
    if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        sqlstate = result.error_field(DiagnosticField.SQLSTATE) or b""
        message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        return Refusal(sqlstate.decode(), message.decode())
    columns = tuple((result.fname(i) or b"").decode() for i in range(result.nfields))
    rows = tuple(
        tuple(_text(result.get_value(row, i)) for i in range(result.nfields)) for row in range(result.ntuples)
    )
    return Result((result.command_status or b"").decode(), columns, rows)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
