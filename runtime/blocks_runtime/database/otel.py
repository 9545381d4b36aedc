"""Spans and metrics by OpenTelemetry's semantic conventions for databases. Imported only if the process uses it.

A span has the text of the statement with `$1` for its values, never a value.
"""

from __future__ import annotations

import contextlib
import re
from importlib.metadata import PackageNotFoundError, version

import opentelemetry.metrics as metrics
import opentelemetry.trace as trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.util.types import AttributeValue

    from ..errors import DatabaseError

    Mark = Callable[[int, float, DatabaseError | None], None]

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Bucket boundaries of the conventions."""


_FIRST_WORD = re.compile(r"(?:[\s(]|--[^\n]*+|/\*.*?\*/)*+(\w+)", re.DOTALL)


def _version() -> str | None:
    try:
        return version("blocks-dsql")
    except PackageNotFoundError:  # in a layer without metadata
        return None


class Telemetry:
    """Spans and metrics of one database."""

    def __init__(self, host: str, port: int) -> None:
        self._tracer = trace.get_tracer("blocks_runtime", _version())
        meter = metrics.get_meter("blocks_runtime", _version() or "")
        self._duration = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._attempts = meter.create_histogram(
            "blocks.dsql.transaction.attempts", unit="{attempt}", description="Attempts of a transaction."
        )
        self._common: dict[str, AttributeValue] = {
            "db.system.name": "postgresql",
            "db.namespace": "postgres",
            "server.address": host,
            "server.port": port,
        }

    @contextlib.contextmanager
    def statement(self, text: str, current: bool) -> Iterator[Mark]:
        """Open a span around the block, which calls the yielded function with the result."""
        operation = _operation(text)
        attributes = {**self._common, "db.operation.name": operation}
        span = self._tracer.start_span(
            operation, kind=trace.SpanKind.CLIENT, attributes={**attributes, "db.query.text": text}
        )
        with contextlib.ExitStack() as stack:
            stack.callback(span.end)
            if current:
                unrecorded = {"record_exception": False, "set_status_on_exception": False}
                stack.enter_context(trace.use_span(span, **unrecorded))

            def mark(rows: int, seconds: float, failure: DatabaseError | None) -> None:
                outcome = _outcome(failure)
                span.set_attributes({**outcome, "db.response.returned_rows": rows})
                if failure is not None:
                    span.set_status(trace.StatusCode.ERROR, type(failure).__name__)
                self._duration.record(seconds, {**attributes, **outcome})

            yield mark

    def transaction(self, attempts: int, seconds: float, failure: DatabaseError | None) -> None:
        """Record the attempts of a transaction and the seconds that all of them took."""
        outcome = _outcome(failure)
        self._attempts.record(attempts, {**self._common, **outcome})
        span = trace.get_current_span()
        if span.is_recording():
            span.add_event("dsql.transaction", {"attempts": attempts, "seconds": seconds, **outcome})


def _operation(text: str) -> str:
    """Return the first word of a statement after comments and parentheses, or else `statement`."""
    word = _FIRST_WORD.match(text)
    return word[1].upper() if word else "statement"


def _outcome(failure: DatabaseError | None) -> dict[str, AttributeValue]:
    if failure is None:
        return {}
    said: dict[str, AttributeValue] = {"error.type": failure.sqlstate or type(failure).__name__}
    return said | ({"db.response.status_code": failure.sqlstate} if failure.sqlstate else {})
