"""Random sessions that write in bodies in PL/pgSQL get the oracle's answers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from tests.local_dsql.differential.family_bodies import BODIES
from tests.local_dsql.differential.family_hidden import HIDDEN
from tests.local_dsql.differential.fuzz import Fuzz, Options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.differential.plain_postgres import PlainPostgres

STATEMENTS = 1500
SEEDS = {False: range(3000, 3006), True: range(4000, 4003)}
"""Seeds by whether every open transaction is suspended after each of its statements."""


@pytest.fixture(scope="module", params=SEEDS, ids=["as-needed", "suspend-always"])
def november(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalCluster]:
    """A running cluster in the dialect 2026-11."""
    folder = tmp_path_factory.mktemp("bodies")
    with LocalCluster(folder, dialect="2026-11", suspend_always=request.param) as cluster:
        yield cluster


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(max(map(len, SEEDS.values()))))
def test_sessions_get_the_answers_of_the_oracle(
    seed: int, november: LocalCluster, plain: PlainPostgres, request: pytest.FixtureRequest
) -> None:
    seeds = SEEDS[request.node.callspec.params["november"]]
    if seed >= len(seeds):
        pytest.skip("fewer seeds are played with suspensions")
    with closing(Fuzz(november, plain, seeds[seed], Options(families=(*BODIES, *HIDDEN), ddl=False))) as fuzz:
        fuzz.play(STATEMENTS)
        assert fuzz.done["transactions"] > STATEMENTS / 20
