"""`local-dsql inject`: fault injection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from local_dsql.cli.errors import Failure
from local_dsql.cli.options import json_option, path_option, running
from local_dsql.client.table_names import check_table
from local_dsql.control.codec import encode_injection
from local_dsql.errors import LocalDatabaseError
from local_dsql.exit_codes import ExitCode
from local_dsql.faults.injection import Fault, Injection

if TYPE_CHECKING:
    from pathlib import Path


_CONDITIONS = ("table", "key", "role", "region", "predicate")


class _FaultName(click.Choice[str]):
    """A choice that accepts both cases."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name as it is spelled in the list."""
        spelled = {name.lower(): name for name in self.choices}
        return super().convert(spelled.get(value.lower(), value), param, ctx)


@click.command(short_help="Make COMMITs of a running cluster fail.")
@path_option
@click.argument(
    "fault",
    type=_FaultName([fault.value for fault in Fault]),
    required=False,
    metavar="[FAULT]",
)
@click.option(
    "--times", type=click.IntRange(min=1), default=1, show_default=True, help="Number of COMMITs that fail."
)
@click.option("--always", is_flag=True, help="Every matching COMMIT fails, until --clear.")
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Fail only every Nth matching COMMIT.",
)
@click.option("--table", help="Only COMMITs that change this table.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="Only COMMITs that change the row with this primary key; repeat the option for each column of the key.",
)
@click.option("--role", help="Only COMMITs of this database role.")
@click.option("--region", help="Only COMMITs through the endpoint of this Region.")
@click.option("--clear", is_flag=True, help="Disarm earlier injections.")
@json_option
def inject(
    path: Path,
    fault: str | None,
    times: int,
    always: bool,
    every: int,
    table: str | None,
    keys: tuple[str, ...],
    role: str | None,
    region: str | None,
    clear: bool,
    as_json: bool,
) -> None:
    """Make COMMITs of a running cluster fail, by default the next write transaction.

    FAULT is OC000 (change conflicts with another transaction), OC001 (schema has been updated by another
    transaction), connection-lost (nothing is committed) or outcome-unknown (committed, no reply).
    Predicates can only be armed from Python, by LocalCluster.inject; this command lists and clears them too.
    Prints the armed injections; without FAULT it only prints them.
    """
    if fault is None and (always or times > 1 or every > 1 or table or keys or role or region):
        raise click.UsageError("these options describe an injection; give a FAULT as well")
    if always and times > 1:
        raise click.UsageError("--always and --times cannot be combined; give one of them")
    with running(path) as cluster:
        if clear:
            cluster.clear_injections()
        if table is not None:
            try:
                check_table(cluster.dsn(), table, "--table")
            except LocalDatabaseError as error:
                raise Failure(error, ExitCode.USAGE) from None
        if fault is not None:
            try:
                cluster.inject(
                    fault,
                    times=None if always else times,
                    every=every,
                    table=table,
                    key=keys or None,
                    role=role,
                    region=region,
                )
            except ValueError as error:
                raise click.UsageError(str(error)) from None
        armed = cluster.injections()
    if as_json:
        rows = [{"number": number, **encode_injection(given)} for number, given in armed.items()]
        click.echo(json.dumps(rows))
    for number, given in armed.items():
        click.echo(f"{number}: {describe(given)}", err=as_json)
    if not armed:
        click.echo("no injection is armed", err=True)


def describe(given: Injection) -> str:
    """Return one line of text: fault, number of times, conditions."""
    wanted = encode_injection(given)
    which = [f"{name} {wanted[name]}" for name in _CONDITIONS if wanted[name] is not None]
    often = "always" if given.times is None else "once" if given.times == 1 else f"{given.times} times"
    rhythm = "" if given.every == 1 else f", every {given.every} COMMITs"
    return f"{given.fault.value}, {often}{rhythm}" + "".join(f", {each}" for each in which)
