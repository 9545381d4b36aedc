"""Counters: no addition is lost, spread over shards or not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from blocks_runtime import AtomicTable, Once
from blocks_runtime.errors import OnceMismatch


def test_additions(table: AtomicTable) -> None:
    counter = table.counter("hits")
    assert counter.value() == 0
    counter.add()
    counter.add(-3)
    counter.add(Decimal("0.5"))
    assert counter.value() == Decimal("-1.5")
    assert table.counter("other").value() == 0


def test_shards_share_the_sum(table: AtomicTable) -> None:
    counter = table.counter("hits", shards=8)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: counter.add(2), range(40)))
    assert counter.value() == 80
    assert table.counter("hits", shards=2).value() == 80


def test_once(table: AtomicTable) -> None:
    counter = table.counter("hits", shards=4)
    for _ in range(5):
        counter.add(7, once="click-1")
    counter.add(7, once=Once("click-2", payload=7))
    with pytest.raises(OnceMismatch):
        counter.add(8, once=Once("click-2", payload=8))
    assert counter.value() == 14


def test_arguments(table: AtomicTable) -> None:
    with pytest.raises(TypeError, match="float"):
        table.counter("hits").add(0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shards is 0"):
        table.counter("hits", shards=0)


def test_each_counter_has_ids_of_its_own(table: AtomicTable) -> None:
    """One request adds to two counters and runs a transaction, all with the id of the request."""
    hits, sizes = table.counter("hits"), table.counter("sizes")
    for _ in range(2):
        hits.add(1, once="request-1")
        sizes.add(200, once="request-1")
        assert table.transaction(lambda _: "ran", once="request-1") == "ran"
    assert (hits.value(), sizes.value()) == (1, 200)
