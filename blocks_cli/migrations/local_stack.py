"""The database of a stack as deployed on this machine, from the record of that deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER
from blocks_cli.errors import CommandError
from blocks_cli.local.resources.cluster import FOLDER
from blocks_cli.local.state import StateFolder
from blocks_cli.migrations.candidates import Candidate, choose, id_of_path
from blocks_cli.workspace import Workspace, project_root

if TYPE_CHECKING:
    from pathlib import Path


def find_folder(stack: str, database: str | None) -> tuple[str, Path]:
    """Return id and folder of the database `database` of a stack; None stands for its only one.

    Raises:
        CommandError: no such stack is deployed here, or it has no such database.
    """
    workspace = Workspace(project_root())
    stacks = StateFolder(workspace.stacks).load()
    if stack not in stacks:
        raise CommandError(
            f"--stack {stack} --local: not deployed on this machine",
            f"deployed here: {', '.join(stacks) or 'nothing'}",
            "name one of these" if stacks else "run `blocks deploy --local`, or leave --local out to ask AWS",
        )
    clusters = [each for each in stacks[stack].resources.values() if each.type == CLUSTER]
    found = choose(
        stack,
        database,
        [Candidate(id_of_path(each.path, each.logical_id), each.local[FOLDER]) for each in clusters],
    )
    return found.database, workspace.clusters / found.where
