"""The construct, the migrator, the runtime and the local database together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.local import LocalDeployment
from tests.support.database_app import synthesize_database_app
from tests.support.recording_report import RecordingReport

if TYPE_CHECKING:
    from pathlib import Path


def migration(folder: Path, name: str, text: str) -> Path:
    """Write one migration and return the folder."""
    place = folder / "migrations"
    place.mkdir(exist_ok=True)
    (place / name).write_text(text + "\n")
    return place


def deploy(
    folder: Path, *, dialect: str = "portable", report: RecordingReport | None = None
) -> LocalDeployment:
    """Synthesize and deploy the app with the migrations in `folder`."""
    number = len(list(folder.glob("cdk.out.*")))
    assembly = synthesize_database_app(folder / "migrations", folder / f"cdk.out.{number}", dialect=dialect)
    return LocalDeployment.deploy(assembly, folder, report=report)


@pytest.mark.slow
def test_grants_and_migrations_over_several_deploys(tmp_path: Path) -> None:
    """A function has exactly its granted privileges; only new migrations run; a failed one can be corrected."""
    migration(tmp_path, "001_items.sql", "CREATE TABLE items (id int PRIMARY KEY, name text);")
    with deploy(tmp_path) as shop:
        assert shop.migrations_applied == ("001_items",)
        assert not shop.invoke("Buy", "insert into items values (1, 'tea')").failed
        assert shop.invoke("Look", "select name from items").payload == [["tea"]]

        refused = shop.invoke("Look", "insert into items values (2, 'milk')")
        assert refused.error_message is not None
        assert "permission denied" in refused.error_message

        intruder = shop.invoke("Intruder", "select 1")
        assert intruder.failed
        assert intruder.error_message is not None
        assert "access denied" in intruder.error_message

    migration(tmp_path, "002_more.sql", "INSERT INTO items VALUES (2, 'milk'), (1, 'tea again');")
    with pytest.raises(CommandError) as failure:
        deploy(tmp_path)
    assert failure.value.code is ExitCode.MIGRATION_FAILED
    assert "002_more.sql" in failure.value.why
    assert "23505" in failure.value.why

    migration(tmp_path, "002_more.sql", "INSERT INTO items VALUES (2, 'milk');")
    with deploy(tmp_path) as shop:
        assert shop.migrations_applied == ("002_more",)
        assert shop.invoke("Look", "select name from items order by id").payload == [["tea"], ["milk"]]
    with deploy(tmp_path) as shop:
        assert shop.migrations_applied == ()

    (tmp_path / "migrations" / "002_more.sql").unlink()
    report = RecordingReport()
    with deploy(tmp_path, report=report) as shop:
        assert shop.migrations_applied == ()
    (note,) = (note for note in report.notes if "Migrator" in note)
    assert note.endswith("the database is ahead of these files and is left so: 002_more")


def test_a_database_that_was_reset_is_migrated_by_the_next_deploy(tmp_path: Path) -> None:
    migration(tmp_path, "001_items.sql", "CREATE TABLE items (id int PRIMARY KEY, name text);")
    with deploy(tmp_path) as shop:
        shop.clusters[0].reset()
        with pytest.raises(CommandError, match="the database was reset since the deploy"):
            shop.invoke("Look", "select name from items")
    report = RecordingReport()
    with deploy(tmp_path, report=report) as shop:
        assert shop.migrations_applied == ("001_items",)
        assert "Shop/main: was reset since the last deploy; its migrations run again" in report.notes
        assert shop.invoke("Look", "select name from items").payload == []
    with deploy(tmp_path) as shop:
        assert shop.migrations_applied == ()


def test_the_cluster_has_the_dialect_of_the_migrations(tmp_path: Path) -> None:
    """Foreign keys are refused in the portable dialect, and accepted in the later one."""
    migration(tmp_path, "001_items.sql", "CREATE TABLE items (id int PRIMARY KEY);")
    deploy(tmp_path).close()
    migration(tmp_path, "002_lines.sql", "CREATE TABLE lines (item int REFERENCES items (id));")
    with deploy(tmp_path, dialect="2026-09") as shop:
        assert shop.migrations_applied == ("002_lines",)
        assert shop.clusters[0].status.dialect == "2026-09"
    with LocalDeployment.open(tmp_path) as again:
        assert again.clusters[0].status.dialect == "2026-09"
        assert not again.invoke("Look", "select 1").failed
