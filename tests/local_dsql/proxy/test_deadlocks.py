"""A read in a deadlock with a change of the catalog: the client is told of the change, not of the deadlock."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.client.launch import SUSPEND_ALWAYS

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster


@pytest.mark.skipif(SUSPEND_ALWAYS, reason="the reader holds no lock on the parent, so there is no deadlock")
@pytest.mark.parametrize("parameter", [(), (1,)], ids=["simple", "extended"])
@pytest.mark.parametrize("function", ["", ", now()"], ids=["read", "read with a function"])
def test_a_read_in_a_ring_is_told_that_the_catalog_has_changed(
    cluster: Cluster, parameter: tuple[int, ...], function: str
) -> None:
    """The change is made beside the proxy, by a session that waits for longer than the reader."""
    where = "WHERE id = %s" if parameter else ""
    with cluster.connect(autocommit=True) as setup:
        setup.execute("DROP TABLE IF EXISTS ring_child")
        setup.execute("DROP TABLE IF EXISTS ring_parent")
        setup.execute("CREATE TABLE ring_parent (id int PRIMARY KEY)")
        setup.execute("CREATE TABLE ring_child (id int PRIMARY KEY)")
    with cluster.direct() as changer, cluster.connect(autocommit=False) as reader:
        changer.autocommit = False
        changer.execute("SET deadlock_timeout = '1min'")
        reader.execute(f"SELECT id{function} FROM ring_parent {where}", parameter)
        changer.execute("LOCK TABLE ring_child")
        waiting = threading.Thread(target=changer.execute, args=("LOCK TABLE ring_parent",))
        waiting.start()
        with cluster.direct() as observer:
            while not observer.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
                pass
        with pytest.raises(psycopg.errors.SerializationFailure, match="OC001"):
            reader.execute(f"SELECT id{function} FROM ring_child {where}", parameter)
        reader.rollback()
        waiting.join()
        changer.rollback()
