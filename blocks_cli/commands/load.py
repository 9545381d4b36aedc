"""`blocks load`."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.bulk import options as bulk_options
from blocks_cli.bulk.records import ROWS
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.migrations import options
from blocks_cli.migrations.database import reachable
from blocks_cli.migrations.target import find_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_cli.bulk.load import Totals
    from blocks_cli.bulk.source import Source
    from blocks_cli.bulk.table import Table
    from blocks_cli.json_value import Json
    from blocks_cli.migrations.target_options import TargetOptions
    from lambda_migrator.admin import AdminConnection

PARALLEL = 4
MAX_REJECTS = 1_000


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--table", "name", required=True, metavar="NAME", help="Table to load into.")
@bulk_options.format
@click.option(
    "--columns",
    metavar="A,B,…",
    help="Columns of a CSV file without header, or those of JSON lines.",
)
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether the first line of CSV has the column names (default: yes without --columns).",
)
@bulk_options.delimiter
@bulk_options.null
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=PARALLEL,
    show_default=True,
    metavar="NUMBER",
    help="Concurrent transactions.",
)
@click.option(
    "--transaction-rows",
    type=click.IntRange(1, ROWS),
    default=ROWS,
    show_default=True,
    metavar="NUMBER",
    help="Rows of a transaction, at most.",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="New file for bad rows (default: TABLE.rejects.jsonl, or with a number if that is there).",
)
@click.option(
    "--max-rejects",
    type=click.IntRange(min=0),
    default=MAX_REJECTS,
    show_default=True,
    metavar="NUMBER",
    help="Bad rows after which the load stops.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File of the journal (default: in .blocks/loads).",
)
@click.option("--restart", is_flag=True, help="Forget what an interrupted run has done.")
@click.option("--dry-run", is_flag=True, help="Send all rows, and roll every transaction back.")
@options.target_options
@as_json
@click.pass_context
def load(
    context: click.Context,
    files: tuple[str, ...],
    name: str,
    format: str | None,
    columns: str | None,
    header: bool | None,
    delimiter: str | None,
    null: str,
    parallel: int,
    transaction_rows: int,
    rejects: Path | None,
    max_rejects: int,
    journal: Path | None,
    restart: bool,
    dry_run: bool,
    target_options: TargetOptions,
    as_json: bool,
) -> None:
    """Load CSV, JSON lines or Parquet into a table, in parallel transactions.

    \b
      blocks load accounts.csv --table accounts
      blocks load 2026-*.jsonl --table events --parallel 8 --dry-run
      blocks load accounts.csv.gz --table accounts

    Rows whose key exists are left unchanged. Bad rows go to a reject file, with line and reason. After an
    interruption, run the same command again: it continues, and loads no row twice. - is standard input, which cannot
    be continued.
    """
    from blocks_cli.bulk.run import RunOptions, run_load
    from blocks_cli.bulk.source import Source
    from blocks_cli.bulk.table import read_table

    given = bulk_options.source_options(format, columns, header, delimiter, null)
    sources = [Source(each, given) for each in files]
    run = RunOptions(parallel, max_rejects, dry_run, restart, journal, rejects, transaction_rows)
    target = find_target(target_options)
    with contextlib.ExitStack() as opened, reachable(target) as connect:
        for source in sources:
            opened.callback(source.close)
        with connect().open() as admin:
            table = read_table(admin, name)
        statements = bulk_options.statements(table, sources)
        identities = [each.name for each in statements[0].columns if each.identity]
        with run_load(statements, target.place, connect, run) as (totals, path):
            _print(totals, table, dry_run)
            if identities and not dry_run:
                with connect().open() as admin:
                    _mention_sequences(admin, table, identities)
            if as_json:
                console.print_json(_summary(totals, path, dry_run))
    if not totals.all_rejected:
        return
    error = _rejected(totals, path, sources)
    if not as_json:
        raise error
    console.print_error(error)  # the rejects are in the result, which is the one object on standard output
    context.exit(error.code)


def _print(totals: Totals, table: Table, dry_run: bool) -> None:
    from blocks_cli.bulk.progress import rate

    console.clear()
    parts = [f"{totals.inserted:,} rows {'would be inserted' if dry_run else 'inserted'} into {table}"]
    if totals.existing:
        parts.append(f"{totals.existing:,} existed already")
    if totals.all_rejected:
        parts.append(f"{totals.all_rejected:,} rejected")
    console.print_message(f"{', '.join(parts)}   {rate(totals.rows, totals.seconds)}", "green")


def _mention_sequences(admin: AdminConnection, table: Table, columns: list[str]) -> None:
    """Print the statement that moves a sequence above the loaded values."""
    from blocks_runtime import sql

    for column in columns:
        name = sql.identifier(column)
        (row,) = admin.read(sql("SELECT max({c:q}) + 1 AS next FROM {t:q}", c=name, t=table.sql))
        if row["next"] is None:
            continue
        console.print_message(
            f"note     the sequence of the identity column {column} of {table} does not know the loaded values; "
            f"restart it above them: ALTER TABLE {table.sql.text} ALTER COLUMN {name.text} RESTART WITH {row['next']}",
            "cyan",
        )


def _rejected(totals: Totals, path: Path, sources: Sequence[Source]) -> CommandError:
    shown = console.display_path(path.resolve())
    rows = f"{totals.all_rejected:,} row{'s' * (totals.all_rejected != 1)}"
    corrected, how = "corrected.jsonl", "load it"
    if sources[0].format != "jsonl":  # rows of Parquet are rejected as CSV
        names = {each.columns for each in sources}
        columns = shlex.quote(",".join(names.pop())) if len(names) == 1 else "those of their file"
        corrected = "corrected.tsv" if sources[0].dialect.delimiter == "\t" else "corrected.csv"
        how = f"load it with --columns {columns}, as it has no header"
    return CommandError(
        f"{rows} rejected",
        f"{shown} has each with its line and the reason",
        f"correct them and load only them: jq -r .record {shown} > {corrected}; {how}",
        ExitCode.MIGRATION_FAILED,
    )


def _summary(totals: Totals, path: Path, dry_run: bool) -> Json:
    return {
        "inserted": totals.inserted,
        "existing": totals.existing,
        "rejected": totals.all_rejected,
        "resumed": totals.resumed,
        "seconds": round(totals.seconds, 3),
        "rejects": str(path) if totals.all_rejected else None,
        "dryRun": dry_run,
    }
