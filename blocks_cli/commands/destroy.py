"""`blocks destroy --local`."""

from __future__ import annotations

import click

from blocks_cli import console
from blocks_cli.commands.deploy import change_json
from blocks_cli.commands.options import as_json, local, require_local
from blocks_cli.deploy_report import ConsoleReport
from blocks_cli.errors import CommandError, NothingDeployed
from blocks_cli.local import Action, Change, LocalDeployment
from blocks_cli.local.clusters import purge_workspace
from blocks_cli.workspace import Workspace, project_root


@click.command()
@local
@click.option("--purge", is_flag=True, help="Also delete retained and protected databases with their data.")
@as_json
def destroy(local: bool, purge: bool, as_json: bool) -> None:
    """Delete the deployment on this machine.

    \b
      blocks destroy --local
      blocks destroy --local --purge

    A database with the removal policy RETAIN keeps its data, and the next deploy uses it again.
    """
    require_local(local, "destroy")
    workspace = Workspace(project_root())
    console.print_target(workspace.folder)
    done = _destroy(workspace, purge)
    if as_json:
        console.print_json(
            {"stacks": {name: [change_json(c) for c in steps] for name, steps in done.items()}}
        )
    retained = [c.path for steps in done.values() for c in steps if c.action is Action.RETAIN]
    if purge:
        purge_workspace(workspace)
    console.print_message("destroyed" if done or purge else "nothing is deployed here", "green")
    if retained:
        console.print_message(f"kept     {', '.join(retained)}; `blocks destroy --local --purge` deletes it")


def _destroy(workspace: Workspace, purge: bool) -> dict[str, list[Change]]:
    """Delete all stacks; with `purge`, a deployment that cannot be opened is not an error."""
    try:
        with LocalDeployment.open(workspace.root, report=ConsoleReport()) as deployment:
            return deployment.destroy(purge=purge)
    except NothingDeployed:
        return {}
    except CommandError as error:
        if not purge:
            raise
        console.print_message(f"note     {error.what}: {error.why}")
        return {}
