"""As `test_model`, with every statement prepared: names outlive suspension, dooming and conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.proxy.fuzz import play

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5, 7))
def test_every_prepared_answer_is_the_models(cluster: Cluster, seed: int) -> None:
    """1,000 rounds."""
    play(cluster, seed, prepared=True, rounds=500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(105, 110))
def test_every_prepared_answer_is_the_models_for_long(cluster: Cluster, seed: int) -> None:
    """The other 50,000 statements."""
    play(cluster, seed, prepared=True, statements=10_000)
