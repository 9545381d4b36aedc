"""Random sessions at the wire give the oracle's answers: 5,000 statements in every run, 500,000 in the slow one.

A seed is a run of its own; one that fails is played again by `python -m tests.local_dsql.differential --seed N`.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.differential.families import BY_NAME
from tests.local_dsql.differential.fuzz import Fuzz, Options
from tests.support.timing import unless_busy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster
    from tests.local_dsql.differential.plain_postgres import PlainPostgres

STATEMENTS = 2500
"""Statements of one seed."""
UPSERTS = 460
"""Statements of the run with upserts alone."""

QUICK, QUICK_SUSPENDED = range(1, 2), range(5, 6)
SLOW, SLOW_SUSPENDED = range(1000, 1200), range(2000, 2100)


def _seeds() -> Iterator[object]:
    for seeds, suspended, marks in (
        (QUICK, False, ()),
        (QUICK_SUSPENDED, True, ()),
        (SLOW, False, (pytest.mark.slow,)),
        (SLOW_SUSPENDED, True, (pytest.mark.slow,)),
    ):
        mode = "suspend-always" if suspended else "as-needed"
        yield from (pytest.param(suspended, seed, marks=marks, id=f"{mode}-{seed}") for seed in seeds)


@pytest.mark.parametrize(
    ("suspend_always", "seed"), list(_seeds()), indirect=["suspend_always"], scope="session"
)
def test_sessions_get_the_answers_of_the_oracle(seed: int, local: LocalCluster, plain: PlainPostgres) -> None:
    """No answer, no committed row and no verdict differs but by a registered difference, and no statement waits."""

    def play() -> None:
        with closing(Fuzz(local, plain, seed)) as fuzz:
            fuzz.play(STATEMENTS)
            assert fuzz.done["transactions"] > STATEMENTS / 20

    unless_busy(play)


@pytest.mark.parametrize(
    ("family", "seed"),
    [
        *(("upserts of several keys", seed) for seed in (2, 4, 7, 9)),
        *(("upserts by conditions", seed) for seed in (2, 4)),
    ],
)
@pytest.mark.parametrize("suspend_always", [False, True], ids=["as-needed", "suspend-always"], indirect=True)
def test_upserts_get_the_answers_of_the_oracle(
    family: str, seed: int, local: LocalCluster, plain: PlainPostgres
) -> None:
    """By every unique index of the table, and by what the WHERE clause reads."""
    options = Options([BY_NAME[family]], ddl=False, cuts=False, bursts=False)

    def play() -> None:
        with closing(Fuzz(local, plain, seed, options)) as fuzz:
            fuzz.play(UPSERTS)

    unless_busy(play)
