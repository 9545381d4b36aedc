"""Explanations of the codes that messages have: rules, conflict codes, SQLSTATEs, error classes, known differences."""

from __future__ import annotations

import difflib
from functools import cache

from blocks_cli.explanations.conflicts import conflicts
from blocks_cli.explanations.differences import differences
from blocks_cli.explanations.explanation import Explanation, Kind
from blocks_cli.explanations.program_errors import program_errors
from blocks_cli.explanations.rules import rules
from blocks_cli.explanations.runtime_errors import runtime_errors
from blocks_cli.explanations.sqlstates import SQLSTATE, other, sqlstates

__all__ = ["Explanation", "Kind", "explanation", "explanations", "nearest"]


@cache
def explanations() -> tuple[Explanation, ...]:
    """Return all explanations that have an entry of their own."""
    return (*conflicts(), *runtime_errors(), *sqlstates(), *program_errors(), *rules(), *differences())


def explanation(code: str) -> Explanation | None:
    """Return the explanation of a code, None if no message has it.

    Upper and lower case are alike. A class may have its module before it, and a code may be in brackets, as messages
    print them: `blocks_runtime.errors.AccessDenied`, `(OC000)`, `[truncate]`.
    """
    asked = code.strip("()[]:, ").rpartition(".")[2]
    for each in explanations():
        if each.code.lower() == asked.lower():
            return each
    return other(asked.upper()) if SQLSTATE.fullmatch(asked.upper()) else None


def nearest(code: str) -> str | None:
    """Return the code that is most similar to an unknown one, or None."""
    known = {each.code.lower(): each.code for each in explanations()}
    found = difflib.get_close_matches(code.lower().rpartition(".")[2], known, 1)
    return known[found[0]] if found else None
