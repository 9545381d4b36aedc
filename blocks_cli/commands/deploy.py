"""`blocks deploy --local`."""

from __future__ import annotations

import functools
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json, is_debugging, local, require_local
from blocks_cli.deploy_report import ConsoleReport
from blocks_cli.errors import CommandError
from blocks_cli.json_value import Json, text
from blocks_cli.local import Action, Change, LocalDeployment, Rollback
from blocks_cli.region import region_of_stacks
from blocks_cli.synth import app_command, synthesize
from blocks_cli.workspace import Workspace, project_root
from blocks_settings.keys import HIGHEST_PORT

if TYPE_CHECKING:
    from collections.abc import Sequence


_CROSS_STACK = "ExportsOutput"
"""Prefix of outputs that the CDK makes for references between stacks."""


@click.command()
@local
@click.option(
    "--app", metavar="COMMAND", help="Command that synthesizes the app (default: `app` of cdk.json)."
)
@click.option("--assembly", type=click.Path(path_type=Path), help="Deploy this cdk.out; skip the synth.")
@click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Template parameter."
)
@click.option(
    "--skip", "skip", multiple=True, metavar="NAME", help="Use a placeholder for a resource, by path or id."
)
@click.option(
    "--cluster",
    "clusters",
    multiple=True,
    metavar="IDENTIFIER=FOLDER",
    help="Resolve an imported cluster to that of another local project.",
)
@click.option(
    "--rollback",
    type=click.Choice([mode.value for mode in Rollback]),
    default=Rollback.NONE.value,
    help="After a failure, undo the stack's completed steps; see docs/cli.md (default: none, keep them).",
)
@click.option(
    "--region",
    help="Region of stacks without one (default: AWS_REGION, else that of the settings).",
)
@click.option(
    "--port",
    type=click.IntRange(1, HIGHEST_PORT),
    metavar="NUMBER",
    help="Port of the project's database in its first Region; other Regions have the next ones (default: that of the "
    "settings, else a free one, which is kept).",
)
@as_json
@click.argument("stacks", nargs=-1, metavar="[STACK …]")
def deploy(
    local: bool,
    app: str | None,
    assembly: Path | None,
    parameters: Sequence[str],
    skip: Sequence[str],
    clusters: Sequence[str],
    rollback: str,
    region: str | None,
    port: int | None,
    as_json: bool,
    stacks: Sequence[str],
) -> None:
    """Synthesize the app and deploy it on this machine.

    \b
      blocks deploy --local
      blocks deploy --local --assembly cdk.out BankStack

    Only resources that changed since the last deploy are deployed; migrations run as on AWS.
    """
    require_local(local, "deploy")
    workspace = Workspace(project_root())
    console.print_target(workspace.folder)
    given = _pairs(parameters, "--parameter NAME=VALUE")
    imported = _pairs(clusters, "--cluster IDENTIFIER=FOLDER")
    region = region_of_stacks(region, workspace)
    if assembly is None:
        app_command(workspace.root, app)  # without one there is nothing to lock
    synth = functools.partial(
        synthesize, workspace.root, workspace.assembly, region, app, debug=is_debugging()
    )
    report = ConsoleReport()
    with LocalDeployment.deploy(
        assembly or synth,
        workspace.root,
        stacks=stacks,
        parameters=given,
        region=region,
        report=report,
        skip=skip,
        clusters=imported,
        rollback=rollback,
        port=port,
    ) as deployment:
        if as_json:
            console.print_json(_summary(deployment, report.notes))
        else:
            _print_outputs(deployment)
        report.conclude()
        _conclude(deployment)


def _pairs(values: Sequence[str], usage: str) -> dict[str, str]:
    option = usage.partition(" ")[0]
    for value in values:
        if "=" not in value:
            raise CommandError(f"{option} {value}", "`=` is missing", f"write {usage}")
    return dict(value.split("=", 1) for value in values)


def _print_outputs(deployment: LocalDeployment) -> None:
    for stack, outputs in deployment.outputs.items():
        for name, value in outputs.items():
            if name.startswith(_CROSS_STACK):
                continue
            click.echo(f"{stack}.{name} = {text(value)}")


def _conclude(deployment: LocalDeployment) -> None:
    changes = [change for steps in deployment.changes.values() for change in steps]
    changed = sum(change.action is not Action.KEEP for change in changes)
    handlers = deployment.account.handlers()  # CloudFormation calls them
    functions = [each.path for each in deployment.functions if each.arn not in handlers]
    console.print_message(f"deployed {changed or 'no'} changes", "green")
    if functions:
        console.print_message(f"next     blocks invoke {functions[-1]} --event '{{}}'")


def _summary(deployment: LocalDeployment, notes: list[str]) -> Json:
    stacks: Json = {
        name: {"changes": [change_json(change) for change in changes], "outputs": deployment.outputs[name]}
        for name, changes in deployment.changes.items()
    }
    functions: Json = [{"path": f.path, "name": f.name, "runtime": f.runtime} for f in deployment.functions]
    clusters: Json = [
        {"identifier": cluster.identifier, "endpoints": [cluster.endpoint(r) for r in cluster.regions]}
        for cluster in deployment.clusters
    ]
    return {"stacks": stacks, "functions": functions, "clusters": clusters, "notes": [*notes]}


def change_json(change: Change) -> Json:
    """Return a change as JSON: action, logicalId, type, path, properties."""
    row = asdict(change)
    return {
        "action": change.action.value,
        "logicalId": change.logical_id,
        "type": row["type"],
        "path": row["path"],
        "properties": [*change.properties],
    }
