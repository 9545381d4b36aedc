"""The database of a stack that is deployed on this machine, from the state of that deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER
from blocks_cli.errors import CommandError
from blocks_cli.local.resources.cluster import FOLDER
from blocks_cli.local.state import StateFolder
from blocks_cli.migrations.candidates import Candidate, choose
from blocks_cli.workspace import Workspace, project_root
from blocks_settings.app_record import id_of_path

if TYPE_CHECKING:
    from pathlib import Path


def find_folder(stack: str, database: str | None) -> tuple[str, Path]:
    """Return id and folder of the database `database` of a stack; None selects its only one.

    Raises:
        CommandError: the stack is not deployed on this machine, or has no such database.
    """
    workspace = Workspace(project_root())
    stacks = StateFolder(workspace.stacks).load()
    if stack not in stacks:
        raise CommandError(
            f"--stack {stack} --local: not deployed on this machine",
            f"deployed stacks: {', '.join(stacks) or 'none'}",
            "pass one of these"
            if stacks
            else "run `blocks deploy --local`, or omit --local for the stack on AWS",
        )
    clusters = [each for each in stacks[stack].resources.values() if each.type == CLUSTER]
    found = choose(
        stack,
        database,
        [Candidate(id_of_path(each.path, each.logical_id), each.local[FOLDER]) for each in clusters],
    )
    return found.database, workspace.clusters / found.where
