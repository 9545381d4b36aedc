"""`blocks plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations import options
from blocks_cli.migrations.database import connected, is_missing, mention_missing
from blocks_cli.migrations.folder import compile_manifest, find_folder
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.json_value import Json
    from blocks_cli.migrations.target_options import TargetOptions
    from blocks_settings import Setting
    from lambda_migrator.plan import Plan, Step


@click.command()
@options.folder
@options.dialect
@options.target_options
@options.to
@options.exit_code
@as_json
@click.pass_context
def plan(
    context: click.Context,
    folder: Path,
    dialect: Setting[str],
    target_options: TargetOptions,
    to: int | None,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Show what `blocks up` would do, without changes.

    \b
      blocks plan
      blocks plan --exit-code --json
    """
    todo = make_plan(target_options, find_folder(folder), dialect, to)
    show(todo, as_json)
    if exit_code and todo.steps:
        context.exit(ExitCode.PENDING)


def make_plan(target_options: TargetOptions, folder: Path, dialect: Setting[str], to: int | None) -> Plan:
    """Compile the folder, read the journal, and return the plan."""
    from lambda_migrator.journal import read_or_empty
    from lambda_migrator.plan import plan as planned

    manifest = compile_manifest(folder, dialect.value, to)
    target = find_target(target_options)
    if is_missing(target):
        mention_missing(target)
        todo = planned(manifest, ())
    else:
        with connected(target, dialect) as admin:
            todo = planned(manifest, read_or_empty(admin))
    return todo if to is None else todo.up_to(to)


def show(todo: Plan, as_json: bool) -> None:
    """Print a plan."""
    if as_json:
        steps: Json = [_row(step) for step in todo.steps]
        console.print_json({"steps": steps, "ahead": [*todo.ahead]})
    else:
        click.echo(todo.render())
    if todo.ahead:
        console.print_message(
            f"note     applied, but missing in this folder: {', '.join(todo.ahead)}", "cyan"
        )


def _row(step: Step) -> Json:
    at = step.statements[0]
    return {
        "migration": step.migration.name,
        "version": step.migration.version,
        "action": step.action.value,
        "line": at.line,
        "column": at.column,
        "resumed": step.started,
        "statements": [statement.sql for statement in step.statements],
    }
