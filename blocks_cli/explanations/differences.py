"""Known differences between the local database and Aurora DSQL, as explanations."""

from __future__ import annotations

from blocks_cli.explanations.explanation import Explanation, Kind
from local_dsql.divergences import DIVERGENCES


def differences() -> list[Explanation]:
    """Return the explanations of all differences, in the order of the registry."""
    return [
        Explanation(
            code=each.id,
            kind=Kind.DIVERGENCE,
            meaning=each.sentence,
            cause=each.reason,
            remedy=each.consequence,
            step="so",
        )
        for each in DIVERGENCES
    ]
