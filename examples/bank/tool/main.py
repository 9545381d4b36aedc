"""The command line `bank`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.errors import CommandError
from blocks_cli.local import Report
from blocks_cli.local.account import LocalAccount
from blocks_cli.migrations import options
from blocks_cli.migrations.target import find_target
from blocks_cli.workspace import Workspace, project_root
from blocks_runtime import DatabaseError, DistributedDatabase
from examples.bank.tool import connections, key_file, loader, opening, plans, stress, view
from examples.bank.tool.errors import ToolError
from examples.bank.tool.tables import print_table
from examples.bank.tool.targets import DeployedFunction, Handler

if TYPE_CHECKING:
    from blocks_cli.migrations.target_options import TargetOptions

INTERRUPTED = 130
FILE = click.Path(path_type=Path, dir_okay=False)
KEYS = Path("accounts.csv")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run the tools of the course, in the folder of a step."""


@cli.command("output")
@click.argument("name")
def output_command(name: str) -> None:
    """Print an output of the stack that is deployed on this machine."""
    account = LocalAccount(Workspace(project_root()), Report())
    try:
        found = {each: value for state in account.states.values() for each, value in state.outputs.items()}
    finally:
        account.close()
    if name not in found:
        raise ToolError(
            f"there is no output {name}, only {', '.join(found) or 'none'}; deploy the step first"
        )
    print(found[name])


@cli.command("connects")
@click.option("--invocations", type=click.IntRange(1), default=1000, show_default=True)
def connects_command(invocations: int) -> None:
    """Count the connections of invocations, with and without a connection that is kept."""
    handler = Handler(1)
    rows: list[tuple[str, ...]] = [("connection", "connects per 1,000 invocations", "p50", "p99")]
    with DistributedDatabase("main") as other:
        other.warm_up()  # the local database stops when its last connection is closed
        for name, kept in (("kept at module level", True), ("closed after each invocation", False)):
            used = connections.count(handler, invocations, kept=kept)
            times = [f"{used.milliseconds(percent):.1f} ms" for percent in (50, 99)]
            rows.append((name, f"{used.per_thousand:,.0f}", *times))
    print_table(rows, right=(1, 2, 3))


@cli.command("stress")
@click.option(
    "--workers", type=click.IntRange(1, 200), default=64, show_default=True, help="Concurrent transfers."
)
@click.option("--hot", type=click.IntRange(2), metavar="NUMBER", help="Use only this many accounts.")
@click.option("--seconds", type=click.FloatRange(1), default=20, show_default=True, help="Duration.")
@click.option("--no-retry", is_flag=True, help="Do not run a transaction again after a conflict.")
@click.option("--keys", type=FILE, help="Draw the accounts from this file, which `bank load` has written.")
@click.option("--function", metavar="NAME", help="Invoke this function on AWS instead of the local handler.")
@click.option("--record", type=FILE, metavar="FILE.svg", help="Save the last picture of the live view.")
def stress_command(
    workers: int,
    hot: int | None,
    seconds: float,
    no_retry: bool,
    keys: Path | None,
    function: str | None,
    record: Path | None,
) -> None:
    """Make transfers with concurrent workers, and count conflicts and retries."""
    target = Handler(workers) if function is None else DeployedFunction(function, workers)
    known = range(1, connections.ACCOUNTS + 1) if keys is None else key_file.Keys(keys)
    accounts = known if hot is None else known[:hot]
    run = stress.Stress(
        target, accounts, workers=workers, seconds=seconds, options={"retry": False} if no_retry else {}
    )
    words = [f"{workers} workers", f"{len(accounts):,} accounts", *(["no retry"] if no_retry else [])]
    elapsed = view.run(run, ", ".join(words), record)
    print("\n".join(view.summary(run, elapsed)))
    if run.statistics.first_error:
        raise ToolError(f"transfers failed, the first with {run.statistics.first_error}")


@cli.command("open")
@click.option("--accounts", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 200), default=32, show_default=True)
def open_command(accounts: int, workers: int) -> None:
    """Open accounts with integer and with UUID keys, and compare conflicts and places."""
    with DistributedDatabase("main", max_connections=workers) as db:
        found = [opening.measure(db, kind, accounts, workers) for kind in opening.KINDS]
    rows: list[tuple[str, ...]] = [
        ("key", "opened", "conflicts", "p50", "p99", f"busiest of {opening.RANGES} key ranges")
    ]
    for each in found:
        counts = each.counts
        times = [f"{counts.percentile(percent):,.0f} ms" for percent in (50, 99)]
        rows.append((each.name, f"{counts.made:,}", f"{counts.conflicts:,}", *times, f"{each.busiest:.0%}"))
    print_table(rows, right=(1, 2, 3, 4, 5))
    print("\nnew keys by key range, the lowest first:")
    for each in found:
        print(
            f"  {each.name:<8} {view.bars(each.ranges, max(each.ranges))}  {' '.join(map(str, each.ranges))}"
        )


@cli.command("load")
@click.option("--accounts", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--keys", type=FILE, default=KEYS, show_default=True, help="File of the keys.")
@options.target_options
def load_command(accounts: int, threads: int, keys: Path, target_options: TargetOptions) -> None:
    """Load accounts with UUID keys. After Ctrl-C or kill, the same command continues."""
    loader.load(find_target(target_options), keys, accounts, threads)


@cli.command("queries")
@click.option("--rows", type=click.IntRange(100), help="Rows of the table (default: those of the step).")
def queries_command(rows: int | None) -> None:
    """Run the operations of step 7, and compare the plans before and after."""
    plans.show(plans.compare(rows))


def main(arguments: list[str] | None = None) -> None:
    """Run a command; exit with 1 after an error, and with 130 after Ctrl-C."""
    try:
        code = cli.main(arguments, prog_name="bank", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CommandError as error:
        console.print_error(error)
        sys.exit(int(error.code))
    except (ToolError, DatabaseError) as error:
        print(f"bank: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(code or 0)
