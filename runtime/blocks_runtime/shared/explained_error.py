"""Base of errors in three parts: what failed, why, and what to do."""

from __future__ import annotations


class ExplainedError(Exception):
    """A failure with its remedy.

    `what` names the fault and its place, `why` the reason, in the server's or system's words where there are some, and
    `remedy` the next step for the user.
    """

    form = "{what}\n  why: {why}\n  do:  {remedy}"
    """The text of the error."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(what, why, remedy)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return self.form.format(what=self.what, why=self.why, remedy=self.remedy)
