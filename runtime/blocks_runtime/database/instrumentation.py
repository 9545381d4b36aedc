"""Who looks on: one call for each statement and transaction, which costs next to nothing when nobody does."""

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
    """Return twelve hex digits that stand for a statement, whatever its values and however long its lists.

    The text of a statement holds `$1`, never a value; yet even the text stays out of the log.
    """
    import re

    plain = re.sub(r"\$\d+(\s*,\s*\$\d+)*", "$", " ".join(text.split()))
    return hashlib.sha256(plain.encode()).hexdigest()[:12]


class StatementRecord:
    """What there is to say about one statement once it has been answered."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows = 0


class Instrumentation:
    """The log and, where OpenTelemetry's SDK is at work in this process, its spans and metrics."""

    def __init__(self, database: str, telemetry: Telemetry | None = None) -> None:
        self._database = database
        self._telemetry = telemetry

    @property
    def enabled(self) -> bool:
        """True if somebody wants to know of each statement."""
        return self._telemetry is not None or _logger.isEnabledFor(logging.DEBUG)

    @contextlib.contextmanager
    def statement(self, text: str, *, current: bool = True) -> Iterator[StatementRecord]:
        """Observe what happens within the block as the execution of one statement.

        With `current` spans that begin within the block are its children.
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
        """Tell of a commit: at INFO where a retry was needed, else at DEBUG."""
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
        """Tell of a transaction that came to nothing, at WARNING."""
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
        """Tell of a single statement that is tried again, at INFO."""
        _logger.info(
            "statement %s is run again after %s (SQLSTATE %s)",
            fingerprint(text),
            type(error).__name__,
            error.sqlstate,
            extra=self._extra(fingerprint=fingerprint(text), attempts=attempts, sqlstate=error.sqlstate),
        )

    def connected(self, seconds: float, attempts: int) -> None:
        """Tell of a new connection: at INFO where it took more than one attempt, else at DEBUG."""
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
