"""Winners, losers and errors of conflicts, with partial, missing, NULL or cascaded keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest

from tests.isolation.conflict_shapes import ALL, CLEAR, ROWS, TABLES, Conflict
from tests.isolation.table_setup import execute
from tests.local_dsql.proxy.scenarios import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster
    from tests.local_dsql.proxy.cluster import Cluster


class Endpoint:
    """The cluster with the interface of the scenario runner."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    def connect(self, *, autocommit: bool) -> psycopg.Connection[Any]:
        """Connect as admin."""
        return psycopg.connect(self._cluster.dsn(), autocommit=autocommit)


@pytest.fixture(scope="module")
def tables(cluster: LocalCluster) -> Iterator[psycopg.Connection[Any]]:
    """Create the tables of all scenarios, and yield a connection to fill them."""
    cluster.reset()
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        execute(admin, *TABLES)
        yield admin


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=case.scenario.name,
            marks=[pytest.mark.xfail(strict=True, reason=case.fault)] if case.fault else [],
        )
        for case in ALL
    ],
)
def test_conflict(case: Conflict, cluster: LocalCluster, tables: psycopg.Connection[Any]) -> None:
    """Every response is as expected, and none is slow."""
    execute(tables, *CLEAR, *ROWS)
    run(cast("Cluster", Endpoint(cluster)), case.scenario.steps)
