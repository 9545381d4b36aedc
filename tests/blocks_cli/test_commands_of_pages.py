"""Commands in sentences and code of all pages: each exists, with its options and their values."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from blocks_cli.main import cli
from local_dsql.cli import main as local_dsql

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")}
    - {ROOT / "CHANGELOG.md"}  # it has commands of its day
)
PROGRAMS: dict[str, click.Group] = {"blocks": cli, "local-dsql": local_dsql}
_COMMAND = re.compile(
    r"(?:^\$ |`|^)(?:\.venv/bin/)?(?P<program>blocks|local-dsql) (?P<arguments>-?-?[a-z][^`\n|>#;]*)",
    re.MULTILINE,
)
_OF_ALL = {"--help", "-h", "--debug", "--version", "-V"}


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield program and arguments of each command in a page; those with shell syntax are left out."""
    for found in _COMMAND.finditer(text):
        try:
            yield found["program"], shlex.split(found["arguments"])
        except ValueError:  # the closing quote is in the next line
            continue


def fault(program: str, arguments: list[str]) -> str | None:
    """Return the part of a command that does not exist; None if it is right."""
    command: click.Command = PROGRAMS[program]
    rest = [each for each in arguments if each not in _OF_ALL]
    while isinstance(command, click.Group) and rest and rest[0] != "COMMAND":
        name = rest.pop(0)
        found = command.get_command(click.Context(command), name)
        if found is None:
            return name
        command = found
    options = [each for each in command.params if isinstance(each, click.Option)]
    with_value = {name for each in options if not (each.is_flag or each.count) for name in each.opts}
    without = {name for each in options for name in (*each.opts, *each.secondary_opts)} - with_value
    if "--" in rest:
        rest = rest[: rest.index("--")]
    for position, argument in enumerate(rest):
        name, _, value = argument.partition("=")
        if not name.startswith("-") or name == "-":
            continue
        if name not in with_value | without:
            return name
        if name in with_value and not value and position + 1 == len(rest):
            return f"{name} without a value"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists(page: Path) -> None:
    wrong = [
        f"{program} {shlex.join(arguments)}: {found}"
        for program, arguments in commands(page.read_text("utf-8"))
        if (found := fault(program, arguments))
    ]
    assert wrong == []


WRONG = {
    "blocks depoly --local": "depoly",
    "blocks deploy --locally": "--locally",
    "blocks deploy --local --rollback": "--rollback without a value",
    "blocks dialect dif a b": "dif",
    "local-dsql begin": "begin",
}


@pytest.mark.parametrize(("command", "expected"), WRONG.items())
def test_a_wrong_command_is_found(command: str, expected: str) -> None:
    ((program, arguments),) = commands(f"Run `{command}` first.")
    assert fault(program, arguments) == expected


def test_the_pages_have_commands() -> None:
    assert sum(len([*commands(page.read_text("utf-8"))]) for page in PAGES) > 200
