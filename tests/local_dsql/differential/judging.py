"""Compare the local DSQL's answer with the oracle's: what may differ, and why."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from local_dsql.divergences import BY_ID

if TYPE_CHECKING:
    from tests.local_dsql.differential.wire_session import Answer

CONFLICT = "40001"
_UNIQUE_VIOLATION = "23505"
_TWICE = "21000"
"""ON CONFLICT DO UPDATE changes a row twice: an error that depends on other rows, as a violation does."""
_INTEGRITY = "23"


class Standing(enum.Enum):
    """Verdict of the rule on an open transaction before its COMMIT."""

    CLEAN = "no conflict"
    STALE = "others have committed since its snapshot, no conflict"
    CONFLICTED = "it conflicts, or may: COMMIT decides"


class Outcome(enum.Enum):
    """Effect of an answer on the transaction."""

    SAME = "both go on"
    ENDED = "both have failed, or the local DSQL's has"
    LOST = "the local DSQL's goes on and must not commit"
    WRONG = "a mismatch"


def registered(divergence: str) -> bool:
    """Return whether a known difference is still in the registry."""
    return divergence in BY_ID


def judge(
    got: Answer,
    expected: Answer,
    *,
    before: Standing,
    after: Standing,
    loose: bool,
    ordered: bool,
    several: bool,
) -> Outcome:
    """Compare the answers to a statement in a transaction.

    Args:
        got: answer of the local DSQL.
        expected: answer of the oracle.
        before: standing of the transaction before the statement.
        after: standing after it.
        loose: the catalog has changed since the transaction began, so that OC001 may come at any time.
        ordered: the order of rows counts.
        several: the statement may violate several constraints; which one is reported does not count.
    """
    if not ordered:
        got, expected = got.sorted(), expected.sorted()
    if loose and _is_of_catalog(got):
        return Outcome.ENDED
    if got.failed and expected.failed:
        return (
            Outcome.ENDED
            if _same_error(got, expected, several) or before is not Standing.CLEAN
            else Outcome.WRONG
        )
    if got.sqlstate == CONFLICT:
        return Outcome.ENDED if _may_conflict(got, after) else Outcome.WRONG
    if got.failed:
        # A transaction that has lost reads newer rows, on which a statement may fail.
        lost = before is Standing.CONFLICTED and registered("doomed-sees-newer-rows")
        return Outcome.ENDED if lost else Outcome.WRONG
    if expected.failed:
        stale = before is not Standing.CLEAN and expected.sqlstate.startswith((_INTEGRITY, _TWICE))
        return Outcome.LOST if stale or before is Standing.CONFLICTED else Outcome.WRONG
    if (got.tag, got.rows) == (expected.tag, expected.rows):
        return Outcome.SAME
    lost = after is Standing.CONFLICTED and registered("doomed-sees-newer-rows")
    return Outcome.SAME if lost else Outcome.WRONG


def _same_error(got: Answer, expected: Answer, several: bool) -> bool:
    if several and got.sqlstate.startswith(_INTEGRITY) and expected.sqlstate.startswith(_INTEGRITY):
        return True
    if got.sqlstate == expected.sqlstate == _UNIQUE_VIOLATION:
        return got.message == expected.message  # it names the index
    return got.sqlstate == expected.sqlstate


def _is_of_catalog(got: Answer) -> bool:
    return got.sqlstate == CONFLICT and "(OC001)" in got.message


def _may_conflict(got: Answer, after: Standing) -> bool:
    return after is Standing.CONFLICTED and "(OC000)" in got.message
