"""Three random sessions get the answers of a snapshot-isolation model, and no statement waits for a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.proxy.fuzz import play

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster


@pytest.mark.parametrize("seed", range(1))
def test_every_answer_is_the_models(cluster: Cluster, seed: int) -> None:
    """500 rounds; those with prepared statements are in `test_model_prepared`."""
    play(cluster, seed, prepared=False, rounds=500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 105))
def test_every_answer_is_the_models_for_long(cluster: Cluster, seed: int) -> None:
    """50,000 statements, of 100,000."""
    play(cluster, seed, prepared=False, statements=10_000)
