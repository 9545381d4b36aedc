"""Two to five sessions on one thread: the first committer wins, no statement waits, each session reads its writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.local_dsql.proxy.case_tables import CLEAR, ROWS, TABLES
from tests.local_dsql.proxy.conflict_cases import ALL
from tests.local_dsql.proxy.scenarios import Scenario, run

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster


@pytest.fixture(scope="module")
def tables(cluster: Cluster) -> None:
    """The tables of all scenarios."""
    with cluster.connect() as admin:
        for sql in TABLES:
            admin.execute(sql)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_scenario(case: Scenario, cluster: Cluster, tables: None) -> None:
    """Every answer of every step is as expected, and none took long."""
    with cluster.connect() as admin:
        for sql in (*CLEAR, *ROWS):
            admin.execute(sql)
    run(cluster, case.steps)


def test_a_conflict_that_a_statement_is_told_is_in_the_log(cluster: Cluster, tables: None) -> None:
    with cluster.connect() as admin, cluster.connect(autocommit=False) as late:
        for sql in (*CLEAR, *ROWS):
            admin.execute(sql)
        late.execute("SELECT n FROM st")
        admin.execute("UPDATE st SET n = n - 1 WHERE id = 1")
        with pytest.raises(psycopg.errors.SerializationFailure):
            late.execute("UPDATE st SET n = n - 1 WHERE id = 1")
    conflict = cluster.proxy.engine.services.conflict_log.conflicts[-1]
    assert (conflict.code, conflict.tables, len(conflict.winners)) == ("OC000", ("st",), 1)
