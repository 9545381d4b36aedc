"""`local-dsql conflicts`: show the conflict log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from local_dsql.cli.options import json_option, path_option, running
from local_dsql.control.codec import encode_conflict

if TYPE_CHECKING:
    from pathlib import Path

    from local_dsql.engine.conflict_log import Conflict


@click.command(short_help="Show the conflicts since the start or the last reset.")
@path_option
@json_option
def conflicts(path: Path, as_json: bool) -> None:
    """Show the conflicts of a running cluster since its start or last reset: the last 1,000, oldest first.

    A session is shown as role@region#process.
    """
    with running(path) as cluster:
        found = cluster.conflicts()
    if as_json:
        click.echo(json.dumps([encode_conflict(conflict) for conflict in found]))
        return
    for conflict in found:
        click.echo(describe(conflict))
    if not found:
        click.echo("no conflicts", err=True)


def describe(conflict: Conflict) -> str:
    """Return one line: time, code, loser, winners, tables and keys."""
    moment = conflict.at.astimezone().isoformat(sep=" ", timespec="milliseconds")
    cause = (
        "an injection"
        if conflict.injected
        else ", ".join(conflict.winners) or "a commit that is no longer logged"
    )
    place = " ".join((", ".join(conflict.tables), *conflict.rows)).strip()
    return f"{moment}  {conflict.code}  {conflict.loser} lost to {cause}{f' on {place}' if place else ''}"
