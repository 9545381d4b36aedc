"""A migration that DSQL would refuse fails the synthesis, and says where, why and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest
from aws_cdk.assertions import Annotations, Match

from blocks import DistributedDatabase
from blocks.shared.errors import ConstructError
from blocks_settings.app_record import METADATA
from dsql_dialect.migrations import MigrationErrors
from dsql_dialect.profiles import DEFAULT, NEWEST
from tests.support.template_reader import Template, logical_id

if TYPE_CHECKING:
    from pathlib import Path

    import aws_cdk as cdk

TRUNCATE = "-- Start over.\n\nTRUNCATE accounts;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "migrations"
    made.mkdir()
    (made / "001_create_accounts.sql").write_text(
        "CREATE TABLE accounts (id uuid PRIMARY KEY);\n", encoding="utf-8"
    )
    return made


def test_fails_naming_every_place_rule_and_remedy(stack: cdk.Stack, folder: Path) -> None:
    (folder / "002_start_over.sql").write_text(TRUNCATE, encoding="utf-8")
    (folder / "003_count.sql").write_text("CREATE TABLE counts (id serial PRIMARY KEY);\n", encoding="utf-8")
    with pytest.raises(MigrationErrors) as refused:
        DistributedDatabase(stack, "main", migrations=folder)
    places = [(finding.path.name, finding.line, finding.column) for finding in refused.value.findings]
    assert places[0] == ("002_start_over.sql", 3, 1)
    assert places[1][:2] == ("003_count.sql", 1)
    assert all(finding.rule.id and finding.remedy for finding in refused.value.findings)


def test_a_feature_of_a_later_dialect_is_named(stack: cdk.Stack, folder: Path) -> None:
    (folder / "002_create_view.sql").write_text(
        "CREATE VIEW ids AS SELECT id FROM accounts;\n", encoding="utf-8"
    )
    with pytest.raises(MigrationErrors, match="2026-09"):
        DistributedDatabase(stack, "old", migrations=folder)
    DistributedDatabase(stack, "new", migrations=folder, dialect="2026-09")


def test_fails_for_a_missing_folder(stack: cdk.Stack, tmp_path: Path) -> None:
    with pytest.raises(MigrationErrors, match="nowhere"):
        DistributedDatabase(stack, "main", migrations=tmp_path / "nowhere")


@pytest.mark.slow
def test_running_the_app_fails_with_the_findings(folder: Path, tmp_path: Path) -> None:
    (folder / "002_start_over.sql").write_text(TRUNCATE, encoding="utf-8")
    (tmp_path / "app.py").write_text(
        textwrap.dedent("""
            import aws_cdk as cdk
            from blocks import DistributedDatabase

            app = cdk.App()
            DistributedDatabase(cdk.Stack(app, "Bank"), "main", migrations="migrations/")
            app.synth()
        """),
        encoding="utf-8",
    )
    ran = subprocess.run(
        [sys.executable, "app.py"],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    what, why, remedy, explanation = ran.stderr.strip().splitlines()[-4:]
    assert "migrations/002_start_over.sql:3:1: " in what
    assert what.endswith("]")
    assert why.startswith("  why: ")
    assert remedy.startswith("  do:  ")
    assert explanation == "explained by `blocks explain-error truncate`"


def test_an_empty_folder_gives_a_warning(stack: cdk.Stack, tmp_path: Path) -> None:
    DistributedDatabase(stack, "main", migrations=tmp_path)
    Annotations.from_stack(stack).has_warning(
        "/Bank/main", Match.string_like_regexp(r"has no NNN_name\.sql.*noMigrations")
    )


def test_fails_for_a_folder_that_is_one_too_high(stack: cdk.Stack, folder: Path) -> None:
    """A later deploy of such a path would apply nothing and still deploy the new code."""
    with pytest.raises(MigrationErrors, match="migrations-in-subfolders"):
        DistributedDatabase(stack, "main", migrations=folder.parent)


def test_the_stack_shows_the_state_of_its_migrations(stack: cdk.Stack, folder: Path) -> None:
    db = DistributedDatabase(stack, "main", migrations=folder)
    outputs = Template.of(stack).document["Outputs"]
    (shown,) = [output for name, output in outputs.items() if name.startswith("mainMigratorStatus")]
    assert shown["Value"] == {"Fn::GetAtt": [logical_id(db.migrator.migrated), "Status"]}


def test_the_dialect_of_the_settings_is_the_default(
    stack: cdk.Stack, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "002_create_view.sql").write_text("CREATE VIEW ids AS SELECT id FROM accounts;\n")
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.blocks]\ndialect = "{NEWEST.name}"\nmigrations = "migrations"\n'
    )
    monkeypatch.chdir(tmp_path)
    database = DistributedDatabase(stack, "main")
    (entry,) = [each for each in database.node.metadata if each.type == METADATA]
    assert entry.data == {"dialect": NEWEST.name, "migrations": "migrations"}
    DistributedDatabase(stack, "other", migrations=folder)


@pytest.mark.parametrize(
    ("option", "value"), [("dialect", DEFAULT.name), ("migrations", "other")], ids=["dialect", "migrations"]
)
def test_a_contradiction_to_the_settings_names_both_places(
    stack: cdk.Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.blocks]\ndialect = "{NEWEST.name}"\nmigrations = "migrations"\n'
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConstructError, match=rf"Bank/main: {option} is .*{value} in the construct, but .*toml:\d"
    ):
        DistributedDatabase(stack, "main", **{option: value})  # type: ignore[arg-type]
