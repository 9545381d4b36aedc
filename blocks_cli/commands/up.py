"""`blocks up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.commands.plan import make_plan, show
from blocks_cli.migrations import options
from blocks_cli.migrations.database import connected
from blocks_cli.migrations.folder import compile_manifest, find_folder
from blocks_cli.migrations.runs import queue, run_name
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.json_value import Json
    from blocks_cli.migrations.target_options import TargetOptions
    from blocks_settings import Setting
    from lambda_migrator.migrate import Outcome
    from lambda_migrator.plan import Step


@click.command()
@options.folder
@options.dialect
@options.target_options
@options.to
@click.option("--dry-run", is_flag=True, help="Only show the plan, like `blocks plan`.")
@options.wait
@as_json
def up(
    folder: Path,
    dialect: Setting[str],
    target_options: TargetOptions,
    to: int | None,
    dry_run: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Apply the pending migrations, as a deploy does.

    \b
      blocks up
      blocks up --to 7 --dry-run
      blocks up --endpoint abc….dsql.eu-central-1.on.aws

    Waits for index builds. After an interruption, run it again: it resumes where it stopped.
    """
    folder = find_folder(folder)
    if dry_run:
        show(make_plan(target_options, folder, dialect, to), as_json)
        return
    report = _Report()
    outcome = _apply(target_options, folder, dialect, to, wait, report)
    if as_json:
        console.print_json(_summary(outcome, report))
    number = len(outcome.applied)
    newest = f"; the newest is {outcome.newest}" if outcome.newest else ""
    console.print_message(f"applied {number or 'no'} migration{'s' * (number != 1)}{newest}", "green")


def _apply(
    target_options: TargetOptions,
    folder: Path,
    dialect: Setting[str],
    to: int | None,
    wait: float,
    report: _Report,
) -> Outcome:
    from lambda_migrator.migrate import migrate

    manifest = compile_manifest(folder, dialect.value, to)
    target = find_target(target_options)
    with connected(target, dialect, creates=True) as admin:
        return migrate(
            admin,
            manifest,
            database=target.database,
            holder=run_name(),
            to=to,
            queue=queue(target, wait),
            report=report,
        )


class _Report:
    """Prints a line for each migration that is applied and recorded."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    def __call__(self, step: Step, seconds: float) -> None:
        name, number = step.migration.name, len(step.migration.statements)
        self.milliseconds[name] = self.milliseconds.get(name, 0.0) + seconds * 1000
        if step.completes:
            took = f"{self.milliseconds[name]:.0f} ms"
            console.print_message(
                f"applied  {name}.sql   {number} statement{'s' * (number != 1)}   {took}", "green"
            )


def _summary(outcome: Outcome, report: _Report) -> Json:
    applied: Json = [
        {"migration": name, "milliseconds": round(report.milliseconds.get(name, 0.0), 1)}
        for name in outcome.applied
    ]
    return {"applied": applied, "newest": outcome.newest or None, "ahead": [*outcome.ahead]}
