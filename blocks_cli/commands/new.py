"""`blocks new`."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.migrations import options
from blocks_cli.migrations.folder import read_names
from blocks_cli.written_files import create_files
from blocks_settings import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = 3
_TEXT = "-- {title}\n-- One DDL statement, or statements that change rows; then run `blocks lint`.\n"


@click.command()
@click.argument("name")
@options.folder
@as_json
def new(name: str, folder: Path | None, as_json: bool) -> None:
    """Create the next migration, NNN_NAME.sql.

    \b
      blocks new create_accounts
      blocks new "index accounts by owner"

    The number is the highest existing one plus one. Needs no database.
    """
    folder = options.project_settings().get(MIGRATIONS, None, folder).value
    console.print_target(folder)
    path = _next(folder, _plain(name))
    create_files({path: _TEXT.format(title=_title(name))})
    if as_json:
        console.print_json({"file": str(path)})
    console.print_message(f"created  {console.display_path(path)}", "green")


def _next(folder: Path, name: str) -> Path:
    known = read_names(folder).migrations if folder.exists() else ()
    number = max((each.version for each in known), default=0) + 1
    digits = max((len(each.name.partition("_")[0]) for each in known), default=_DIGITS)
    return folder / f"{number:0{digits}}_{name}.sql"


def _title(name: str) -> str:
    """Return a name as the text of a comment: on one line, in UTF-8."""
    return " ".join(name.split()).encode("utf-8", "backslashreplace").decode()


def _plain(name: str) -> str:
    letters = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    plain = re.sub(r"[^a-z0-9]+", "_", letters.lower().removesuffix(".sql")).strip("_")
    if not plain:
        raise CommandError(
            f"blocks new {name!r}: no name",
            "the name has no letter a-z and no digit",
            "describe what the migration does: `blocks new create_accounts`",
        )
    return plain
