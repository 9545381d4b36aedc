"""Whatever a client sends, it hears from the front what PostgreSQL itself would say, frame by frame.

What may differ is where in its source an error comes from, hints that are added (`hints-added`), the order in which
parameters are reported, and whatever Aurora DSQL refuses and PostgreSQL does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.front.cases_wire import CASES
from tests.local_dsql.front.wire_game import WEATHERS, Arena, Counts, Script, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.front.cluster import Cluster
    from tests.local_dsql.front.wire_blocks import Message


@pytest.fixture(scope="module")
def arena(cluster: Cluster) -> Iterator[Arena]:
    both = Arena(cluster)
    yield both
    both.close()


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("steps", CASES.values(), ids=CASES)
def test_cases(arena: Arena, steps: list[list[Message]], weather: str) -> None:
    outcome = arena.play(Script(steps, weather))
    assert not outcome.mismatch, outcome.mismatch
    assert not outcome.refused


@pytest.mark.parametrize("seed", range(1, 4))
def test_random_sequences(arena: Arena, seed: int) -> None:
    counts = Counts()
    compare(arena, seed, sequences=20, counts=counts)
    assert not counts.failures, counts.failures[0]
    assert counts.refused < counts.sequences / 4  # most of them are played to the end


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_random_sequences_at_length(arena: Arena, seed: int) -> None:
    counts = Counts()
    compare(arena, seed, sequences=40, counts=counts)
    assert not counts.failures, counts.failures[0]
    assert counts.refused < counts.sequences / 4
