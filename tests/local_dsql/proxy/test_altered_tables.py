"""DDL of which it is known what it changes leaves the shapes of other tables alone, and no stale one behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.proxy.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    started = Cluster()
    yield started
    started.close()


def test_a_column_added_meanwhile_comes_back_with_its_row(cluster: Cluster) -> None:
    """A transaction that is parked gives up its rows by the shape of their table: by the one it has now."""
    with cluster.connect() as one, cluster.connect() as two, cluster.connect() as admin:
        admin.execute("CREATE TABLE shaped (id int PRIMARY KEY, v int)")
        admin.execute("INSERT INTO shaped VALUES (1, 0)")
        for column in ("added", "added_later"):
            with one.transaction():  # so that the shape is known
                one.execute("UPDATE shaped SET v = v + 1")
            admin.execute(f"ALTER TABLE shaped ADD COLUMN {column} text")
            one.execute("BEGIN")
            one.execute(f"UPDATE shaped SET {column} = 'kept'")
            two.execute("BEGIN")
            two.execute("UPDATE shaped SET v = -1")
            assert one.execute(f"SELECT {column} FROM shaped").fetchone() == ("kept",)
            one.execute("COMMIT")
            two.execute("ROLLBACK")
            assert admin.execute(f"SELECT {column} FROM shaped").fetchone() == ("kept",)


def test_a_table_made_again_is_another_one(cluster: Cluster) -> None:
    with cluster.connect() as one, cluster.connect() as two, cluster.connect() as admin:
        for columns in ("id int PRIMARY KEY, v int", "v int, other text, id int PRIMARY KEY"):
            admin.execute(f"CREATE TABLE made_again ({columns})")
            admin.execute("INSERT INTO made_again (id, v) VALUES (1, 0)")
            one.execute("BEGIN")
            one.execute("UPDATE made_again SET v = 7")
            two.execute("UPDATE made_again SET v = 8")
            with pytest.raises(Exception, match="OC000"):
                one.execute("COMMIT")
            assert admin.execute("SELECT v FROM made_again").fetchone() == (8,)
            admin.execute("DROP TABLE made_again")
