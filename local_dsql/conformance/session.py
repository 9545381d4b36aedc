"""A libpq session: raw command tags, column names and text values, over the simple or extended protocol."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PGconn

from local_dsql.conformance.cases import Answer, Refusal, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg.pq import abc

    from local_dsql.conformance.cases import Protocol

ANSWER_TIMEOUT = 120.0
"""Seconds to wait for a response; on a real cluster DDL queues behind the cluster's own jobs."""

CATALOG_RETRIES = 12
CATALOG_PAUSE = 0.3
"""Number of tries after a catalog change, and seconds between them, as in the CI of AWS's own linter."""


class ConformanceError(Exception):
    """The cluster cannot be tested: it cannot be reached, does not respond, or refuses the setup of a case."""


@dataclass(frozen=True, slots=True)
class ClusterUnderTest:
    """The cluster under test: connection string, whether it is a local cluster, and the day of a local one's dialect.

    The connection string contains a token, so it is in no error and no `repr`.
    """

    dsn: str = field(repr=False)
    local: bool
    as_of: str = ""

    @classmethod
    def at(cls, dsn: str) -> ClusterUnderTest:
        """Return the cluster of a connection string; it is a local one if it has the schema `local_dsql`."""
        try:
            with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
                found = connection.execute(
                    "SELECT current_setting('local_dsql.as_of', true) FROM pg_namespace WHERE nspname = 'local_dsql'"
                ).fetchone()
        except psycopg.Error:
            return cls(dsn, local=False)  # `connect` reports the error
        return cls(dsn, local=found is not None, as_of="" if found is None else found[0])

    @classmethod
    def reached_by(cls, parameters: Callable[[int], Mapping[str, str | int]]) -> ClusterUnderTest:
        """Return the cluster of connection parameters; the function gets the version of libpq, as in `170004`."""
        return cls.at(make_conninfo("", **parameters(psycopg.pq.version())))

    def connect(self) -> LibpqSession:
        """Open a session.

        Raises:
            ConformanceError: the cluster cannot be reached, or refuses the login.
        """
        connection = PGconn.connect(self.dsn.encode())
        if connection.status != ConnStatus.OK:
            reason = connection.get_error_message().strip()
            connection.finish()
            raise ConformanceError(
                f"cannot connect to the cluster\n{reason}\n"
                "check the endpoint in --dsn, and that the password is an unexpired token for it"
            )
        return LibpqSession(connection)


class LibpqSession:
    """One connection to a cluster."""

    def __init__(self, connection: abc.PGconn) -> None:
        self._connection = connection

    @property
    def usable(self) -> bool:
        """True if the connection is open."""
        return self._connection.status == ConnStatus.OK

    def close(self) -> None:
        """Disconnect."""
        self._connection.finish()

    def run(self, sql: str, protocol: Protocol = "simple") -> tuple[Answer, ...]:
        """Send `sql` and return the responses to its statements; COPY gets no row, and its rows are not returned.

        Raises:
            ConformanceError: no response within `ANSWER_TIMEOUT`.
        """
        if protocol == "simple":
            self._connection.send_query(sql.encode())
        else:
            self._connection.send_query_params(sql.encode(), None)
        answers = []
        while (result := self._next(sql)) is not None:
            if result.status == ExecStatus.COPY_IN:
                self._connection.put_copy_end()  # without a row
            elif result.status == ExecStatus.COPY_OUT:
                while self._connection.get_copy_data(0)[0] > 0:
                    pass
            else:
                answers.append(_answer(result))
        return tuple(answers)

    def prepare(self, sql: str) -> None:
        """Run a setup statement, with retries after a catalog change.

        Raises:
            ConformanceError: the statement failed.
        """
        answers = retry_on_catalog_change(lambda: self.run(sql))
        for answer in answers:
            if isinstance(answer, Refusal):
                raise ConformanceError(f"{sql}\n{answer.sqlstate}: {answer.message}")

    def _next(self, sql: str) -> abc.PGresult | None:
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while self._connection.is_busy():
            timeout = deadline - time.monotonic()
            ready, _, _ = select.select([self._connection.socket], [], [], max(timeout, 0))
            if not ready:
                raise ConformanceError(f"no response within {ANSWER_TIMEOUT:.0f} s to: {sql}")
            self._connection.consume_input()
        return self._connection.get_result()


def is_catalog_change(answer: Answer) -> bool:
    """Return whether the response is OC001: it requires a retry and says nothing about the statement."""
    return isinstance(answer, Refusal) and answer.sqlstate == "40001" and "OC001" in answer.message


def retry_on_catalog_change(attempt: Callable[[], tuple[Answer, ...]]) -> tuple[Answer, ...]:
    """Return the responses of the first attempt without OC001, or of the last one."""
    for _ in range(CATALOG_RETRIES):
        answers = attempt()
        if not any(map(is_catalog_change, answers)):
            break
        time.sleep(CATALOG_PAUSE)
    return answers


def _answer(result: abc.PGresult) -> Answer:
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
