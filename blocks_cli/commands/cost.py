"""`blocks cost`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.guard import guarded
from blocks_cli.migrations.database import metered
from blocks_cli.migrations.target import find_target
from blocks_cli.migrations.target_options import TargetOptions

if TYPE_CHECKING:
    from blocks_cli.json_value import Json
    from local_dsql.cost.result import Cost


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND…")
@click.option("--database", help="Id of the DistributedDatabase (default: that of the settings).")
@click.option("--budget", type=click.FloatRange(min=0), metavar="DPU", help="Fail if it costs more.")
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="Price of a million DPU in the Region, to print the cost in USD.",
)
@as_json
@click.pass_context
def cost(
    context: click.Context,
    command: tuple[str, ...],
    database: str | None,
    budget: float | None,
    price: float | None,
    as_json: bool,
) -> None:
    """Run a command, and estimate the cost in DPU of what is committed meanwhile.

    \b
      blocks cost python -m app.import_orders
      blocks cost --budget 5 -- pytest tests/test_orders.py

    Counts what all clients of the project's local database commit and read while the command runs, by AWS's formulas:
    WriteDPU, and bounds of ReadDPU. ComputeDPU is left out. Exits with the command's exit code, or 3 above the budget.
    """
    with metered(find_target(TargetOptions.of(database, None, False, None, None))) as found:
        code = _run(command)
    if as_json:
        console.print_json(_summary(found, price))
    _print(found, price)
    if code:
        context.exit(code)
    if budget is not None and found.dpu_high > budget:
        raise CommandError(
            f"more than the budget of {budget:g} DPU",
            f"up to {found.dpu_high:.5f} DPU",
            "write fewer rows or index entries, read fewer rows (`blocks explain`), or raise the budget",
            ExitCode.MIGRATION_FAILED,
        )


def _run(command: tuple[str, ...]) -> int:
    try:
        with subprocess.Popen(command) as child, guarded(child):
            try:
                return child.wait()
            except BaseException:
                child.kill()
                raise
    except OSError as error:
        raise CommandError(
            f"{command[0]}: cannot be run", error.strerror or str(error), "name a program, with its arguments"
        ) from None


def _print(found: Cost, price: float | None) -> None:
    console.print_message(
        f"write    {found.write_dpu:.5f} DPU   {found.rows_written:,} rows, {found.index_entries_written:,} index "
        f"entries, {found.transactions:,} transaction{'s' * (found.transactions != 1)}"
    )
    console.print_message(
        f"read     {found.read_dpu_low:.5f} to {found.read_dpu_high:.5f} DPU   {found.rows_read:,} rows"
    )
    console.print_message(f"storage  {found.storage_bytes:,} bytes")
    total = f"total    {found.dpu_low:.5f} to {found.dpu_high:.5f} DPU"
    if price is not None:
        total += f"   {found.dpu_low * price / 1e6:.8f} to {found.dpu_high * price / 1e6:.8f} USD"
    console.print_message(total, "green")


def _summary(found: Cost, price: float | None) -> Json:
    return {
        "writeDpu": round(found.write_dpu, 8),
        "readDpuLow": round(found.read_dpu_low, 8),
        "readDpuHigh": round(found.read_dpu_high, 8),
        "dpuLow": round(found.dpu_low, 8),
        "dpuHigh": round(found.dpu_high, 8),
        "usdHigh": None if price is None else round(found.dpu_high * price / 1e6, 10),
        "transactions": found.transactions,
        "rowsWritten": found.rows_written,
        "indexEntriesWritten": found.index_entries_written,
        "bytesWritten": found.bytes_written,
        "rowsRead": found.rows_read,
        "bytesRead": found.bytes_read,
        "storageBytes": found.storage_bytes,
    }
