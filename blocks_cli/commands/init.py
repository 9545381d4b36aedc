"""`blocks init`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from blocks_cli import console
from blocks_cli.errors import CommandError

_TEMPLATE = Path(__file__).parents[1] / "project_template"
_SUFFIX = ".template"
_RENAMED = {"gitignore": ".gitignore"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@click.command()
@click.option("--name", "project", metavar="NAME", help="Name of the project (default: that of the folder).")
@click.argument("folder_name", required=False, metavar="[NAME]")
def init(project: str | None, folder_name: str | None) -> None:
    """Create a project: app, function, migration and tests.

    \b
      blocks init shop
      blocks init

    NAME is the new folder and the name of the project; by default it is the current folder. No file is overwritten.
    """
    folder = Path.cwd() / folder_name if folder_name else Path.cwd()
    files = {folder / place: content for place, content in _files(_checked(project or folder.name)).items()}
    if existing := sorted(console.display_path(file) for file in files if file.exists()):
        raise CommandError(
            f"{', '.join(existing)}: exists already",
            "blocks init does not overwrite files; nothing was written",
            "choose another folder: `blocks init NAME`",
        )
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")
        click.echo(console.display_path(file))
    _print_next(folder)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{name}: cannot be the name of a project",
            "it is the name of a CloudFormation stack, too: letters, digits, - and _, with a letter first",
            "give the project another name than its folder: `blocks init --name NAME`",
        )
    return name


def _files(project: str) -> dict[Path, str]:
    """Return the content of the files by their paths in the project."""
    values = {"{name}": project.lower(), "{class}": _class_name(project)}
    found: dict[Path, str] = {}
    for file in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}")):
        content = file.read_text("utf-8")
        for mark, value in values.items():
            content = content.replace(mark, value)
        name = file.name.removesuffix(_SUFFIX)
        found[file.relative_to(_TEMPLATE).with_name(_RENAMED.get(name, name))] = content
    return found


def _class_name(project: str) -> str:
    """Return the name of the stack and of its class: `my-shop` is `MyShop`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]+", project))


def _print_next(folder: Path) -> None:
    enter = f"cd {console.display_path(folder)} && " if folder != Path.cwd() else ""
    console.print_message(f"next     {enter}blocks dev", "green")
    console.print_message(f"         {enter}{Path(sys.executable).name} -m pytest")
