"""Suspending after every statement must not show: random statements against plain PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.engine.differential import Differential
from tests.local_dsql.engine.laboratory import Laboratory

if TYPE_CHECKING:
    from tests.local_dsql.engine.laboratory import Server


@pytest.mark.parametrize("bystander", [False, True], ids=["alone", "always stale"])
def test_suspensions_do_not_show(server: Server, bystander: bool) -> None:
    compare(server, 11, 500, bystander=bystander)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 30))
def test_suspensions_do_not_show_in_long_runs(server: Server, seed: int) -> None:
    compare(server, seed, 25_000, bystander=seed % 2 == 1)


def compare(server: Server, seed: int, statements: int, *, bystander: bool) -> None:
    laboratory = Laboratory(server, suspend_always=True)

    async def run() -> Differential:
        await server.make_database("oracle")
        oracle = await server.connect("postgres", "oracle", default_transaction_isolation="repeatable read")
        other = await laboratory.client() if bystander else None
        differential = Differential(await laboratory.client(), oracle, seed, other)
        await differential.prepare()
        await differential.run(statements)
        oracle.close()
        return differential

    try:
        found = laboratory.run(run(), timeout=600)
    finally:
        laboratory.close()
    print(dict(found.counts), f"slowest {found.slowest * 1000:.0f} ms")
