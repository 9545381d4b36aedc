"""The pages on migrations and on the command line show what the commands print."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import COMMANDS
from lambda_migrator.ledger import State
from lambda_migrator.tables import CREATE
from migration_manifest import LEDGER
from tests.support import transcript

if TYPE_CHECKING:
    from tests.blocks_cli.migrations.conftest import Project
    from tests.support.code_blocks import Block

PAGE = Path(__file__).parents[3] / "docs" / "migrations.md"
REFERENCE = PAGE.with_name("cli.md")
OF_APPS = COMMANDS.index("new")
"""Number of commands for apps, which the reference has last."""
NOT_ABOUT_MIGRATIONS = {
    *COMMANDS[:OF_APPS],
    *("config", "clean", "load", "dump", "explain", "explain-error", "cost", "dialect", "acceptance"),
}


@pytest.mark.parametrize("file", [PAGE, REFERENCE], ids=lambda file: file.name)
def test_every_example_prints_what_the_page_says(project: Project, file: Path) -> None:
    """With BLOCKS_WRITE_DOCS set, the page is written anew instead."""
    page = file.read_text("utf-8")
    printed = transcript.run(page, project)
    if "BLOCKS_WRITE_DOCS" in os.environ:
        file.write_text(printed, "utf-8")
    else:
        assert printed == page


def test_the_reference_has_every_command() -> None:
    page = REFERENCE.read_text("utf-8")
    assert [
        line.removeprefix("## blocks ") for line in page.splitlines() if line.startswith("## blocks ")
    ] == [
        *COMMANDS[OF_APPS:],
        *COMMANDS[:OF_APPS],
    ]


def test_the_recipe_leaves_a_column_that_is_never_null(project: Project) -> None:
    """On a table with rows; afterwards all existing and new rows have a currency."""
    project.run(
        "CREATE TABLE accounts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner text, balance bigint)",
        "INSERT INTO accounts (owner, balance) SELECT 'owner ' || n, 100 FROM generate_series(1, 2500) AS n",
    )
    files = transcript.files(PAGE.read_text("utf-8"))
    recipe = {name: text for name, text in files.items() if "currency" in name}
    assert len(recipe) == 5
    project.write(recipe)
    assert project.blocks("up", "--dialect", "2026-09").code == ExitCode.OK
    assert project.rows("SELECT count(*), count(currency) FROM accounts") == [(2500, 2500)]
    project.run("INSERT INTO accounts (owner, balance) VALUES ('new', 1)")
    assert project.rows("SELECT currency FROM accounts WHERE owner = 'new'") == [("EUR",)]
    with pytest.raises(psycopg.errors.CheckViolation, match="currency_is_there"):
        project.run("INSERT INTO accounts (owner, balance, currency) VALUES ('another', 1, NULL)")
    assert project.rows("SELECT convalidated FROM pg_constraint WHERE conname = 'currency_is_there'") == [
        (True,)
    ]


def test_the_recipe_for_an_enumeration_allows_another_value(
    project: Project, page_blocks: list[Block]
) -> None:
    page = PAGE.read_text("utf-8")
    (recipe,) = (block.body for block in page_blocks)
    (column,) = re.findall(r"`(state text NOT NULL .*)`", page)
    project.run(f"CREATE TABLE orders (id int PRIMARY KEY, {column})", "INSERT INTO orders VALUES (1, 'new')")
    project.write({f"{number:03}_x": text for number, text in enumerate(recipe.splitlines(), 1)})
    assert project.blocks("up", "--dialect", "2026-09").code == ExitCode.OK
    project.run("INSERT INTO orders VALUES (2, 'sent')")
    with pytest.raises(psycopg.errors.CheckViolation):
        project.run("INSERT INTO orders VALUES (3, 'lost')")


def test_the_ledger_answers_the_query_of_the_page(project: Project, page_blocks: list[Block]) -> None:
    (query,) = (block.body for block in page_blocks)
    rows = ((name, "main", "[]", state, name, "owner", "request") for name, state in GRANTS)
    project.run(CREATE[LEDGER].text)
    for row in rows:
        values = ", ".join(f"'{value}'" for value in row)
        project.run(
            f"INSERT INTO {LEDGER} "
            "(id, database_name, grants, state, stack, owner, request, revoked, seen, changed_at) "
            f"VALUES ({values}, false, 1, now())"
        )
    assert project.rows(query) == [("Shop", "[]")]


GRANTS = (("Shop", State.LIVE.value), ("Old", State.GONE.value))
"""Stack and state of two grants in the ledger."""


def test_the_settings_of_the_page_are_read(project: Project, page_blocks: list[Block]) -> None:
    (settings,) = (block.body for block in page_blocks)
    (project.folder / "pyproject.toml").write_text(settings)
    try:
        told = json.loads(project.blocks("config", "--json").out)
    finally:
        (project.folder / "pyproject.toml").unlink()
    wanted = tomllib.loads(settings)["tool"]["blocks"]
    read = {name: each["value"] for name, each in told["settings"].items() if each["source"] == "file"}
    assert read == wanted


def test_the_figure_is_the_one_that_the_page_counts() -> None:
    """The slow test of the kill matrix draws it from its runs."""
    drawn = (PAGE.parent / "kill-matrix.svg").read_text("utf-8")
    killed, torn = (
        re.search(rf"(\d+) times {how}", drawn) for how in ("the process was killed", "its connections")
    )
    assert killed is not None
    assert torn is not None
    total = int(killed[1]) + int(torn[1])
    assert f"<title>{total:,} interruptions, all with the same end</title>" in drawn
    assert f"{killed[1]} kills and {torn[1]} torn connections" in " ".join(PAGE.read_text("utf-8").split())


def test_the_page_lists_the_exit_codes() -> None:
    page = PAGE.read_text("utf-8")
    assert "".join(f"| {code.value} | {code.meaning} |\n" for code in ExitCode) in page


def test_every_command_on_migrations_is_shown() -> None:
    page = PAGE.read_text("utf-8")
    assert [
        name for name in COMMANDS if f"blocks {name}" not in page and name not in NOT_ABOUT_MIGRATIONS
    ] == []
