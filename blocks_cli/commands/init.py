"""`blocks init`."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

import click

from blocks_cli import console
from blocks_cli.errors import CommandError
from blocks_cli.needed_packages import needed_packages, normalized
from blocks_cli.written_files import create_files

_TEMPLATE = Path(__file__).parents[1] / "project_template"
_SUFFIX = ".template"
_RENAMED = {"gitignore": ".gitignore"}
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")
"""Names that CloudFormation takes for a stack, once they are joined, and that Python packages can have."""
_LONGEST = 128
"""Characters of a stack's name (AWS CloudFormation user guide, stack name)."""


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
    folder = Path.cwd() if folder_name is None else Path.cwd() / _named(folder_name)
    if ".." in folder.parts[:-1]:  # a part before it may be a folder that does not exist
        folder = folder.resolve()
    files = _files(_checked(folder.name if project is None else project))
    contents = {folder / place: content for place, content in files.items()}
    if existing := sorted(console.display_path(file) for file in contents if os.path.lexists(file)):
        raise CommandError(
            f"{', '.join(existing)}: exists already",
            "blocks init does not overwrite files; nothing was written",
            "choose another folder: `blocks init NAME`",
        )
    create_files(contents)
    for file in contents:
        click.echo(console.display_path(file))
    _print_next(folder)


def _named(folder: str) -> str:
    """Refuse an empty text: it would be the current folder."""
    if not folder:
        raise CommandError(
            "NAME is empty", "it is the name of the new folder", "leave it out for the current folder"
        )
    return folder


def _checked(name: str) -> str:
    """Return a name that a stack and a Python package can have, and no package that the project needs.

    Raises:
        CommandError: the name cannot be that of a project.
    """
    if not _NAME.fullmatch(name) or len(_stack_name(name)) > _LONGEST:
        why = (
            "it is the name of a CloudFormation stack and of a Python package, too: letters, digits, - and _, with "
            f"a letter first and no - or _ last, {_LONGEST} characters at most"
        )
    elif (package := normalized(name)) in needed_packages(_requirements()):
        why = f"it is the name of the project's package, too, and the project needs the package {package}"
    else:
        return name
    raise CommandError(
        f"{name or repr(name)}: cannot be the name of a project",
        why,
        "give the project another name than its folder: `blocks init --name NAME`",
    )


def _requirements() -> list[str]:
    """Return the requirements that the template's pyproject.toml lists."""
    settings = tomllib.loads((_TEMPLATE / f"pyproject.toml{_SUFFIX}").read_text("utf-8"))
    return [str(each) for each in settings["dependency-groups"]["dev"]]


def _files(project: str) -> dict[Path, str]:
    """Return the content of the files by their paths in the project."""
    values = {"{name}": project.lower(), "{stack}": _stack_name(project)}
    found: dict[Path, str] = {}
    for file in sorted(_TEMPLATE.rglob(f"*{_SUFFIX}")):
        content = file.read_text("utf-8")
        for mark, value in values.items():
            content = content.replace(mark, value)
        name = file.name.removesuffix(_SUFFIX)
        found[file.relative_to(_TEMPLATE).with_name(_RENAMED.get(name, name))] = content
    return found


def _stack_name(project: str) -> str:
    """Return the name of the stack: that of `my-shop` is `MyShop`. Its class has the suffix `Stack`.

    So no name of a class is a word of Python, or a name that the template imports.
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]+", project))


def _print_next(folder: Path) -> None:
    enter = f"cd {console.display_path(folder)} && " if folder != Path.cwd() else ""
    console.print_message(f"next     {enter}blocks dev", "green")
    console.print_message("""         curl -d '{"item": "tea"}' URL""")
    console.print_message(f"         {enter}{Path(sys.executable).name} -m pytest")
