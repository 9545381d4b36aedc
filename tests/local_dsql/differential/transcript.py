"""Statements and answers of the sessions of a random run, and how long each answer took."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tests.support.timing import LONGEST, TooSlowError

if TYPE_CHECKING:
    from tests.local_dsql.differential.wire_session import Answer, Request

_NEVER = 2.0
"""Seconds that no busy machine explains."""
_STALLS = 3
"""Statements over `LONGEST` in one run that a busy machine explains."""
_KEPT = 100


class Mismatch(AssertionError):
    """An answer that the oracle does not give, with what was said before."""


class Transcript:
    """The last statements of all sessions; `mismatch` makes an error of them."""

    def __init__(self, replay: str) -> None:
        self._replay = replay
        self._lines: deque[str] = deque(maxlen=_KEPT)
        self.slow: list[str] = []
        self.longest = 0.0
        self.statements = 0

    def note(self, session: str, what: object, answer: Answer) -> None:
        """Keep a statement and its answer."""
        self._lines.append(f"{session}: {what}\n      -> {answer} ({answer.seconds * 1000:.1f} ms)"[:1500])

    def timed(self, session: str, request: Request, answer: Answer) -> Answer:
        """Keep a statement, count it, and hold its time against the limit.

        Raises:
            TooSlowError: it took so long that it must have waited, or too many took longer than `LONGEST`.
        """
        self.note(session, request, answer)
        self.statements += 1
        self.longest = max(self.longest, answer.seconds)
        if answer.seconds > LONGEST:
            self.slow.append(f"{session}: {request} took {answer.seconds:.3f} s")
            if answer.seconds > _NEVER or len(self.slow) > _STALLS:
                raise TooSlowError(self._told("statements wait: " + "; ".join(self.slow)))
        return answer

    def mismatch(self, what: str) -> Mismatch:
        """Return the error that says what is wrong, what was said before, and how to see it again."""
        return Mismatch(self._told(what))

    def _told(self, what: str) -> str:
        story = "\n  ".join(self._lines)
        return f"{what}\n\nsaid before:\n  {story}\n\nagain: {self._replay}"
