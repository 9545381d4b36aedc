"""The course of a purchase as steps with times: read, write, commit, conflict, wait."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import time
from typing import TYPE_CHECKING, TypedDict

from blocks_runtime.database.instrumentation import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMIT = fingerprint("COMMIT")
_CONFLICT = "40001"

_current: contextvars.ContextVar[Steps | None] = contextvars.ContextVar("steps", default=None)


class Step(TypedDict):
    """A step of a purchase; `start` and `end` are milliseconds since the start of the burst."""

    kind: str
    start: float
    end: float


class Steps:
    """Records the steps of one purchase."""

    def __init__(self, start: float | None = None) -> None:
        """Begin; `start` is the `time.monotonic()` that times are relative to."""
        self._start = time.monotonic() if start is None else start
        self.all: list[Step] = []
        self.attempts = 0
        self._wrote = False

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Take the COMMITs of this thread from the log of the runtime."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def attempt(self, number: int) -> None:
        """Note that an attempt begins; the time since a conflict was the wait before it."""
        self.attempts, self._wrote = number, False
        if self.all and number > 1:
            self._add("wait", self.all[-1]["end"], self._now())

    @contextlib.contextmanager
    def step(self, kind: str) -> Iterator[None]:
        """Record the block as a step."""
        started = self._now()
        self._wrote = self._wrote or kind == "write"
        try:
            yield
        finally:
            self._add(kind, started, self._now())

    def ended(self, kind: str) -> None:
        """Record the time since the last step, if the attempt wrote: its commit, or its conflict with the wait."""
        if self._wrote and self.all:
            self._add(kind, self.all[-1]["end"], self._now())
            self._wrote = False

    def commit(self, milliseconds: float, sqlstate: str | None) -> None:
        """Record a COMMIT that ends now; the COMMIT of a transaction that only read is left out."""
        if self._wrote:
            kind = "commit" if sqlstate is None else "conflict" if sqlstate == _CONFLICT else "error"
            now = self._now()
            self._add(kind, now - milliseconds, now)

    def answer_lost(self) -> None:
        """Mark the last COMMIT as one without an answer, which the log does not tell from one that succeeded."""
        if self.all and self.all[-1]["kind"] == "commit":
            self.all[-1]["kind"] = "error"

    @property
    def conflicts(self) -> int:
        """Number of conflicts."""
        return sum(step["kind"] == "conflict" for step in self.all)

    def _now(self) -> float:
        return (time.monotonic() - self._start) * 1000

    def _add(self, kind: str, start: float, end: float) -> None:
        self.all.append({"kind": kind, "start": round(start, 1), "end": round(end, 1)})


class _Commits(logging.Handler):
    """Gives each COMMIT that the runtime logs to the purchase of its thread; passes warnings on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of `blocks_runtime`, whose attributes its documentation lists."""
        steps = _current.get()
        if steps is not None and getattr(record, "fingerprint", None) == _COMMIT:
            steps.commit(getattr(record, "milliseconds", 0.0), getattr(record, "sqlstate", None))
        if record.levelno >= logging.WARNING:
            logging.getLogger().handle(record)


def observe_commits() -> None:
    """Make the runtime log its statements, to this module only."""
    logger = logging.getLogger("blocks_runtime")
    if not any(isinstance(each, _Commits) for each in logger.handlers):
        logger.addHandler(_Commits())
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
