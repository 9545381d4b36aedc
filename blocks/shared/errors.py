"""What goes wrong while constructs are put together, said in three parts."""

from __future__ import annotations


class ConstructError(ValueError):
    """A construct was asked for what cannot be deployed; the message says what, why, and what to do."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}\n  why: {why}\n  do:  {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy
