"""Loads accounts with the machinery of `blocks load`: a file of keys, a journal, and parallel transactions."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.bulk import options as bulk_options
from blocks_cli.bulk.progress import rate
from blocks_cli.bulk.run import RunOptions, run_load
from blocks_cli.bulk.source import Options, Source
from blocks_cli.bulk.table import read_table
from blocks_cli.migrations.database import reachable
from examples.bank.tool import key_file
from examples.bank.tool.errors import ToolError

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.bulk.load import Totals
    from blocks_cli.migrations.target import DatabaseTarget

TABLE = "accounts2"
ROWS = 1_000
"""Rows of a transaction."""


def load(target: DatabaseTarget, path: Path, accounts: int, threads: int) -> None:
    """Write the keys unless they are there, and load those that are not in the table yet.

    Raises:
        ToolError: the file has another number of keys.
        CommandError: the load stopped; the next run continues.
    """
    if not path.exists():
        key_file.write(path, accounts)
        console.print_message(f"keys     {accounts:,} written to {path}")
    elif (found := len(key_file.Keys(path))) != accounts:
        raise ToolError(f"{path} has {found:,} keys; pass --accounts {found}, or delete it for new ones")
    source = Source(str(path), Options())
    run = RunOptions(
        threads, max_rejects=0, dry_run=False, restart=False, journal=None, rejects=None, rows=ROWS
    )
    with contextlib.closing(source), reachable(target) as connect:
        with connect().open() as admin:
            table = read_table(admin, TABLE)
        statements = bulk_options.statements(table, [source])
        with run_load(statements, target.place, connect, run) as (totals, _):
            _report(totals)


def _report(totals: Totals) -> None:
    console.clear()
    before = f", {totals.resumed:,} by earlier runs" if totals.resumed else ""
    existing = f", {totals.existing:,} existed already" if totals.existing or totals.resumed else ""
    console.print_message(
        f"loaded   {totals.inserted:,} rows into {TABLE}{before}{existing}   {rate(totals.rows, totals.seconds)}"
    )
