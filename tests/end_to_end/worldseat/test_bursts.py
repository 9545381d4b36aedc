"""Bursts over both Regions: oversold seats, conflicts, and a Region that stops in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from examples.worldseat.regions import HOME, PEER, SIZES

if TYPE_CHECKING:
    from examples.worldseat.client import Client
    from examples.worldseat.local import LocalWorldSeat

pytestmark = pytest.mark.slow
ROUNDS = 10


@pytest.mark.parametrize("buyers", SIZES)
@pytest.mark.parametrize("backend", ["dsql", "atomic"])
def test_a_transaction_sells_each_seat_once(client: Client, backend: str, buyers: int) -> None:
    results = [client.burst(backend, buyers) for _ in range(ROUNDS)]
    assert [(each.sold, each.oversold, each.lost, each.agree) for each in results] == [
        (1, 0, 0, True)
    ] * ROUNDS
    if backend == "dsql":
        assert all(each.conflicts > 0 and each.retries > 0 for each in results)


@pytest.mark.parametrize("buyers", SIZES)
def test_a_replicated_table_oversells(client: Client, buyers: int) -> None:
    results = [client.burst("replicated", buyers) for _ in range(ROUNDS)]
    assert sum(each.oversold for each in results) > 0
    assert all(each.lost == 0 for each in results), (
        "each sale has an item of its own, which no other overwrites"
    )


def test_a_transaction_in_each_region_sells_once_in_each(client: Client) -> None:
    results = [client.burst("replicated-atomic", 24) for _ in range(ROUNDS)]
    assert all(1 <= each.sold <= 2 for each in results)
    assert any(each.oversold == 1 for each in results)


@pytest.mark.parametrize("region", [HOME, PEER])
def test_a_region_stops_in_the_middle_of_a_burst(app: LocalWorldSeat, client: Client, region: str) -> None:
    for _ in range(3):
        found = client.burst(
            "dsql",
            60,
            30,
            under_way=lambda: app.stop_region(region),
            at_the_end=lambda: app.start_region(region),
        )
        assert (found.lost, found.oversold) == (0, 0)
        assert found.sold > 0
        assert found.agree


def test_the_other_region_sells_while_one_is_stopped(app: LocalWorldSeat, client: Client) -> None:
    app.stop_region(HOME)
    try:
        found = client.burst("dsql", 16, 8, at_the_end=lambda: app.start_region(HOME))
    finally:
        app.start_region(HOME)
    assert (found.sold, found.failed, found.oversold) == (8, 8, 0)
    assert found.agree
