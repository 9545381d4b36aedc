"""`blocks_cli.testing`: migrations of an app in the cluster of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.testing import MigratedDatabase, migrate, migrations
from dsql_dialect.migrations import MigrationErrors
from lambda_migrator.errors import MigrationFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql import LocalCluster


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "1_items.sql").write_text("CREATE TABLE items (id int PRIMARY KEY, name text);")
    (tmp_path / "2_index.sql").write_text("CREATE INDEX ASYNC items_name ON items (name);")
    return tmp_path


def test_only_pending_migrations_are_applied(dsql_empty: LocalCluster, folder: Path) -> None:
    assert migrate(dsql_empty, folder) == ("1_items", "2_index")
    assert migrate(dsql_empty, folder) == ()
    (folder / "3_rows.sql").write_text("INSERT INTO items VALUES (1, 'tea');")
    assert migrate(dsql_empty, str(folder)) == ("3_rows",)
    with psycopg.connect(dsql_empty.dsn()) as connection:
        assert connection.execute("SELECT * FROM items").fetchall() == [(1, "tea")]


def test_an_empty_database_gets_them_all_again(dsql_empty: LocalCluster, folder: Path) -> None:
    migrate(dsql_empty, folder)
    dsql_empty.reset()
    assert migrate(dsql_empty, folder) == ("1_items", "2_index")


def test_findings_have_their_place(dsql_empty: LocalCluster, folder: Path) -> None:
    (folder / "3_rows.sql").write_text("INSERT INTO nowhere VALUES (1);")
    with pytest.raises(
        MigrationFailedError, match=r"3_rows.sql:1:13: DSQL refused the statement\nSQLSTATE 42P01"
    ):
        migrate(dsql_empty, folder)
    (folder / "3_rows.sql").write_text("TRUNCATE items;")
    with pytest.raises(MigrationErrors, match=r"3_rows.sql:1:1: TRUNCATE is not supported"):
        migrate(dsql_empty, folder)


def test_a_snapshot_is_used_until_a_file_changes(
    dsql_empty: LocalCluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a later session does: nothing is compiled, so nothing is applied."""
    database = MigratedDatabase(dsql_empty, folder)
    database.restore()
    compiled: list[Path] = []
    monkeypatch.setattr(migrations, "_compiled", lambda folder, dialect: compiled.append(folder))
    MigratedDatabase(dsql_empty, folder).restore()
    database.restore()
    with psycopg.connect(dsql_empty.dsn()) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchall() == [(0,)]
    assert not compiled
    monkeypatch.undo()
    (folder / "3_rows.sql").write_text("INSERT INTO items VALUES (1, 'tea');")
    MigratedDatabase(dsql_empty, folder).restore()
    with psycopg.connect(dsql_empty.dsn()) as connection:
        assert connection.execute("SELECT * FROM items").fetchall() == [(1, "tea")]
