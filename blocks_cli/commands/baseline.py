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
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.migrations.target_options import TargetOptions
    from blocks_settings import Setting
    from lambda_migrator.repair import Correction


@click.command()
@options.folder
@options.dialect
@options.target_options
@options.to
@options.wait
@as_json
def baseline(
    folder: Path,
    dialect: Setting[str],
    target_options: TargetOptions,
    to: int | None,
    wait: float,
    as_json: bool,
) -> None:
    """Record migrations as applied without running them.

    \b
      blocks baseline
      blocks baseline --to 12

    Use it for a database that existed before its migrations; its journal must be empty. Then run `blocks verify` to
    compare the database with the files.
    """
    folder = find_folder(folder)
    done = _baseline(target_options, folder, dialect, to, wait)
    if as_json:
        console.print_json({"applied": [each.name for each in done]})
    console.print_message(f"recorded {len(done)} migration{'s' * (len(done) != 1)} as applied", "green")
    console.print_message("next     blocks verify")


def _baseline(
    target_options: TargetOptions, folder: Path, dialect: Setting[str], to: int | None, wait: float
) -> tuple[Correction, ...]:
    from lambda_migrator.migrate import holding_lease
    from lambda_migrator.repair import baseline

    manifest, by = compile_manifest(folder, dialect.value, to), run_name()
    target = find_target(target_options)
    with connected(target, dialect) as admin, holding_lease(admin, by, queue(target, wait)) as lease:
        return baseline(admin, lease, manifest, by, to)
