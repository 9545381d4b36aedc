"""Logging and tracing hooks for statements and transactions, with near zero cost while disabled."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import time

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..errors import DatabaseError
    from .otel import Telemetry

_logger = logging.getLogger("blocks_runtime")
_logger.addHandler(logging.NullHandler())


@functools.lru_cache(maxsize=512)
def fingerprint(text: str) -> str:
    """Return twelve hex digits that identify a statement, the same for all values and lengths of lists.

    The text of a statement has `$1` and never a value; even so the text is not logged.
    """
    import re

    plain = re.sub(r"\$\d+(\s*,\s*\$\d+)*", "$", " ".join(text.split()))
    return hashlib.sha256(plain.encode()).hexdigest()[:12]


class StatementRecord:
    """Result of one statement, filled in when the server has answered."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows = 0


class Instrumentation:
    """Writes the log and, if the process uses OpenTelemetry, spans and metrics."""

    def __init__(self, database: str, telemetry: Telemetry | None = None) -> None:
        self._database = database
        self._telemetry = telemetry

    @property
    def enabled(self) -> bool:
        """True if statements are logged or traced."""
        return self._telemetry is not None or _logger.isEnabledFor(logging.DEBUG)

    @contextlib.contextmanager
    def statement(self, text: str, *, current: bool = True) -> Iterator[StatementRecord]:
        """Record the block as the execution of one statement.

        With `current`, spans started in the block are children of its span.
        """
        seen, started = StatementRecord(), time.perf_counter()
        span = self._telemetry.statement(text, current) if self._telemetry else contextlib.nullcontext()
        failure: DatabaseError | None = None
        with span as mark:
            try:
                yield seen
            except Exception as error:
                failure = _ours(error)
                raise
            finally:
                seconds = time.perf_counter() - started
                if mark is not None:
                    mark(seen.rows, seconds, failure)
                self._log_statement(text, seen, seconds, failure)

    def committed(self, attempts: int, seconds: float) -> None:
        """Log a commit, at INFO after a retry, else at DEBUG."""
        level = logging.INFO if attempts > 1 else logging.DEBUG
        if _logger.isEnabledFor(level):
            _logger.log(
                level,
                "transaction committed on attempt %d in %.0f ms",
                attempts,
                seconds * 1000,
                extra=self._extra(attempts=attempts, milliseconds=_milliseconds(seconds), sqlstate=None),
            )
        if self._telemetry:
            self._telemetry.transaction(attempts, seconds, None)

    def gave_up(self, error: DatabaseError, seconds: float) -> None:
        """Log a failed transaction, at WARNING."""
        _logger.warning(
            "transaction failed with %s (SQLSTATE %s) on attempt %d after %.0f ms",
            type(error).__name__,
            error.sqlstate,
            error.attempts,
            seconds * 1000,
            extra=self._extra(
                attempts=error.attempts, milliseconds=_milliseconds(seconds), sqlstate=error.sqlstate
            ),
        )
        if self._telemetry:
            self._telemetry.transaction(error.attempts, seconds, error)

    def repeated(self, text: str, error: DatabaseError, attempts: int) -> None:
        """Log the retry of an autocommit statement, at INFO."""
        _logger.info(
            "statement %s is run again after %s (SQLSTATE %s)",
            fingerprint(text),
            type(error).__name__,
            error.sqlstate,
            extra=self._extra(fingerprint=fingerprint(text), attempts=attempts, sqlstate=error.sqlstate),
        )

    def connected(self, seconds: float, attempts: int) -> None:
        """Log a new connection, at INFO after more than one attempt, else at DEBUG."""
        _logger.log(
            logging.INFO if attempts > 1 else logging.DEBUG,
            "connected on attempt %d in %.0f ms",
            attempts,
            seconds * 1000,
            extra=self._extra(attempts=attempts, milliseconds=_milliseconds(seconds)),
        )

    def _log_statement(
        self, text: str, seen: StatementRecord, seconds: float, failure: DatabaseError | None
    ) -> None:
        _logger.debug(
            "statement %s in %.1f ms",
            fingerprint(text),
            seconds * 1000,
            extra=self._extra(
                fingerprint=fingerprint(text),
                milliseconds=_milliseconds(seconds),
                rows=seen.rows,
                sqlstate=failure.sqlstate if failure else None,
            ),
        )

    def _extra(self, **facts: object) -> dict[str, object]:
        return {"database": self._database, **facts}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _ours(error: Exception) -> DatabaseError | None:
    from ..errors import DatabaseError

    return error if isinstance(error, DatabaseError) else None
