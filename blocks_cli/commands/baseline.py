"""`blocks baseline`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.migrations import options
from blocks_cli.migrations.database import connected
from blocks_cli.migrations.folder import compile_manifest, find_folder
from blocks_cli.migrations.runs import queue, run_name
from blocks_cli.migrations.target import locate

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.migrations.place import Place
    from lambda_migrator.repair import Correction


@click.command()
@options.folder
@options.dialect
@options.place
@options.to
@options.wait
@as_json
def baseline(
    folder: Path | None,
    dialect: str | None,
    place: Place,
    to: int | None,
    wait: float,
    as_json: bool,
) -> None:
    """Record migrations as applied without running them.

    \b
      blocks baseline
      blocks baseline --to 12

    For a database that was there before its migrations; its journal must be empty. Run `blocks verify` afterwards:
    it compares the database with the files.
    """
    folder = find_folder(folder)
    done = _baseline(place, folder, dialect, to, wait)
    if as_json:
        console.give({"applied": [each.name for each in done]})
    console.say(f"recorded {len(done)} migration{'s' * (len(done) != 1)} as applied", "green")
    console.say("next     blocks verify")


def _baseline(
    place: Place, folder: Path, dialect: str | None, to: int | None, wait: float
) -> tuple[Correction, ...]:
    from lambda_migrator.migrate import holding_lease
    from lambda_migrator.repair import baseline

    manifest, by = compile_manifest(folder, dialect, to), run_name()
    located = locate(place)
    with connected(located, dialect) as admin, holding_lease(admin, by, queue(located, wait)) as lease:
        return baseline(admin, lease, manifest, by, to)
