"""The page on migrations shows what the commands print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.exits import ExitCode
from blocks_cli.main import COMMANDS
from tests.blocks_cli.migrations import transcript

if TYPE_CHECKING:
    from tests.blocks_cli.migrations.conftest import Project

PAGE = Path(__file__).parents[3] / "docs" / "migrations.md"
NOT_ABOUT_MIGRATIONS = {"deploy", "invoke", "destroy"}


def test_every_example_prints_what_the_page_says(project: Project) -> None:
    """With BLOCKS_WRITE_DOCS set, the page is written anew instead."""
    page = PAGE.read_text("utf-8")
    printed = transcript.run(page, project)
    if "BLOCKS_WRITE_DOCS" in os.environ:
        PAGE.write_text(printed, "utf-8")
    else:
        assert printed == page


def test_exit_codes_are_those_there_are() -> None:
    page = PAGE.read_text("utf-8")
    assert "".join(f"| {code.value} | {code.meaning} |\n" for code in ExitCode) in page


def test_every_command_on_migrations_is_shown() -> None:
    page = PAGE.read_text("utf-8")
    assert [
        name for name in COMMANDS if f"blocks {name}" not in page and name not in NOT_ABOUT_MIGRATIONS
    ] == []
