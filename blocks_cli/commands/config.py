"""`blocks config`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.migrations.target_options import check_database
from blocks_settings import Settings
from blocks_settings.value import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.json_value import Json
    from blocks_settings import Setting


@click.command()
@click.option("--database", help="Id of the DistributedDatabase (default: that of the settings).")
@as_json
def config(database: str | None, as_json: bool) -> None:
    """Show the settings of this project, and the source of each value.

    \b
      blocks config
      blocks config --database orders --json

    A value comes from the first of: an option, an environment variable, [tool.blocks] in pyproject.toml, the deployed
    app, the default. The tests, `local-dsql`, the construct and the app on this machine use the same settings.
    """
    if database is not None:
        check_database(database)
    settings = Settings.of()
    found = settings.all(database)
    contradictions = settings.contradictions(database)
    if as_json:
        file = settings.file.path
        console.print_json(
            {
                "project": str(settings.project),
                "file": None if file is None else str(file),
                "settings": {name: _row(each) for name, each in found.items()},
                "contradictions": [*contradictions],
            }
        )
        return
    console.print_message(f"project  {console.display_path(settings.project)}")
    click.echo(_table(found))
    for each in contradictions:
        console.print_message(f"note     {each}; the first one is used", "yellow")


def _row(setting: Setting[object]) -> Json:
    return {"value": _json(setting.value), "source": setting.source.value, "place": setting.place}


def _json(value: object) -> Json:
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return value if isinstance(value, int | None) else str(value)


def _table(found: Mapping[str, Setting[object]]) -> str:
    """Return a line for each setting: name, value, place."""
    values = {name: _shown(each.value) for name, each in found.items()}
    names, width = max(map(len, found)), max(map(len, values.values()))
    return "\n".join(
        f"{name:<{names}}  {values[name]:<{width}}  {_place(each)}" for name, each in found.items()
    )


def _shown(value: object) -> str:
    return console.display_path(value) if isinstance(value, Path) else shown(value)


def _place(setting: Setting[object]) -> str:
    """Return the place of a value, with a file relative to the working directory."""
    file, colon, line = setting.place.rpartition(":")
    return (
        f"{console.display_path(Path(file))}:{line}" if colon and Path(file).is_absolute() else setting.place
    )
