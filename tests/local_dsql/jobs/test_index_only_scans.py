"""After an index build, a covering index is read alone, as on DSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from local_dsql import LocalCluster


def test_a_covering_index_is_read_alone_after_its_build(shared_cluster: LocalCluster) -> None:
    with psycopg.connect(shared_cluster.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE covered (id int PRIMARY KEY, kind text, note text, rest text)")
        connection.execute(
            "INSERT INTO covered SELECT n, n % 50, 'note ' || n, repeat('x', 400) FROM generate_series(1, 2500) AS n"
        )
        build = "CREATE INDEX ASYNC ON covered (kind) INCLUDE (note)"
        ((job,),) = connection.execute(build).fetchall()
        connection.execute("CALL sys.wait_for_job(%s)", [job])
        connection.execute("ANALYZE covered")
        plan = connection.execute("EXPLAIN SELECT kind, note FROM covered WHERE kind = '7'").fetchall()
    assert "Index Only Scan" in plan[0][0], plan
