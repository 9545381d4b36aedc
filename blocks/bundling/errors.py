"""What goes wrong while bundling, said in three parts: what, why, what to do."""

from __future__ import annotations


class BundlingError(Exception):
    """A bundle for Lambda cannot be built; the message names what is missing and the command that helps."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"{what}\n  why: {why}\n  do:  {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy
