"""Items, locks, leases and messages of another table: refused in words, not as a race."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import AtomicTable, DistributedDatabase, Item, Lock
from blocks_runtime.atomic_table.rows import schema
from blocks_runtime.contract import TableVariables
from tests.blocks_runtime.atomic_table.conftest import TABLE
from tests.support.queries import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_dsql import LocalCluster
    from local_dynamodb import LocalDynamo

OTHER = "other_items"


@pytest.fixture(params=["dynamodb", "dsql"])
def tables(request: pytest.FixtureRequest) -> Iterator[tuple[AtomicTable, AtomicTable]]:
    """Two tables on one store."""
    one: AtomicTable = request.getfixturevalue(f"{request.param}_table")
    if request.param == "dynamodb":
        dynamo: LocalDynamo = request.getfixturevalue("dynamo")
        dynamo.create_table(OTHER)
        patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        for name, value in TableVariables(OTHER, "us-east-1").environment("other").items():
            patch.setenv(name, value)
        with AtomicTable("other") as other:
            yield one, other
        return
    cluster: LocalCluster = request.getfixturevalue("cluster")
    run(cluster.dsn(), f"DROP TABLE IF EXISTS {OTHER}", schema(OTHER))
    run(cluster.dsn(), f"GRANT SELECT, INSERT, UPDATE, DELETE ON {OTHER} TO app")
    with DistributedDatabase("main") as database:
        yield one, AtomicTable(OTHER, database=database)


def test_what_is_of_another_table_is_named(tables: tuple[AtomicTable, AtomicTable]) -> None:
    one, other = tables
    one.set(Item("p", "s", 1))
    item, lock, lease = one.get(("p", "s")), one.get_lock(("p", "s")), one.lease("job")
    assert item is not None
    one.queue("mail").push("a", 1)
    message = one.queue("mail").pull()
    assert message is not None
    new = Item("p", "s", 2)
    with lease, other.transaction() as tx:
        calls: dict[str, list[Callable[[], object]]] = {
            "lock": [lambda: other.set_atomic(new, lock), lambda: tx.require(lock)],
            "item": [lambda: other.set_atomic(item.with_data(2)), lambda: tx.set(item.with_data(2))],
            "lease": [lambda: other.set_atomic(new, [lease])],
            "message": [lambda: other.queue("mail").ack(message), lambda: one.queue("post").ack(message)],
        }
        for kind, refused in calls.items():
            for call in refused:
                with pytest.raises(ValueError, match=rf"the {kind} .*'{TABLE}' in .*, and this is "):
                    call()
    with pytest.raises(ValueError, match="the lease is of the table"), lease, other.transaction() as tx:
        tx.require(lease)
    assert other.get(("p", "s")) is None


def test_a_copy_into_another_table_is_a_new_item(tables: tuple[AtomicTable, AtomicTable]) -> None:
    """Moving to the other block is reading items with `stream`, and writing them with `set`."""
    one, other = tables
    one.set([Item("p", str(n), n) for n in range(3)])
    other.set(one.stream("p"))
    assert [item.data for item in other.query("p")] == [0, 1, 2]


def test_locks_of_the_same_table_may_come_from_anywhere(tables: tuple[AtomicTable, AtomicTable]) -> None:
    one, _ = tables
    lock = one.get_lock(("p", "s"))
    one.close()
    (sent,) = one.set_atomic(Item("p", "s", 1), pickle.loads(pickle.dumps(lock)))
    one.set_atomic(Item("p", "s", 2), Lock("p", "s", sent.version, sent.expires_at))


def test_parts_of_a_table_are_made_where_they_are_used(tables: tuple[AtomicTable, AtomicTable]) -> None:
    one, _ = tables
    for part in (one.lease("job"), one.queue("mail"), one.counter("hits")):
        with pytest.raises(TypeError, match="cannot be pickled; pass the table"):
            pickle.dumps(part)


def test_a_table_is_pickled_without_its_connections(tables: tuple[AtomicTable, AtomicTable]) -> None:
    one, _ = tables
    one.set(Item("p", "s", 1))
    with pickle.loads(pickle.dumps(one)) as copy:
        assert repr(copy) == repr(one)
        assert copy.stats.statements == 0
        item = copy.get(("p", "s"))
        assert item is not None
        copy.set_atomic(item.with_data(2), one.get_lock(item))
    one.set(Item("p", "s", 3))
