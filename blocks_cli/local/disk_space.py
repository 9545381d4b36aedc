"""Disk space of a workspace: its parts, which of them can be made again, and their removal."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER
from blocks_cli.lambda_.code_store import CodeStore, folder_size
from blocks_cli.lambda_.temporary_folders import is_alive
from blocks_cli.local.functions import used_code
from blocks_cli.local.resources.cluster import FOLDER
from blocks_cli.local.state import StateFolder
from local_dsql.cluster import stop_server
from local_dsql.storage.folder import Folder
from local_dsql.storage.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blocks_cli.local.state import DeployedResource
    from blocks_cli.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of the workspace: its size in bytes, its content, and whether it has data of the user."""

    path: Path
    size: int
    content: str
    is_data: bool = False


def unused_parts(workspace: Workspace) -> list[Part]:
    """Return the folders that no deployed stack needs, databases included.

    Raises:
        CommandError: the record of the deployed stacks is damaged, so it is unknown what they need.
    """
    states = StateFolder(workspace.stacks).load()
    resources = [each for state in states.values() for each in (*state.resources.values(), *state.leftovers)]
    return [
        *_parts(_unused_code(workspace, resources), "unpacked code of former deploys"),
        *_parts(_existing(workspace.bytecode), "compiled modules"),
        *_parts(_existing(workspace.logs), "output of functions"),
        *_parts(_left_temporary(workspace), "temporary files of ended processes"),
        *_parts(_scratch(workspace), "scratch database of `blocks verify`"),
        *_parts(_existing(workspace.assembly), "output of the last synth"),
        *(
            Part(each, folder_size(each), "database that no deployed stack uses", is_data=True)
            for each in _unused_databases(workspace, resources)
        ),
    ]


def remove(part: Part) -> None:
    """Remove a part; the server of a database is stopped before.

    Raises:
        OSError: a file cannot be removed.
    """
    if part.is_data:
        stop_server(part.path)
    shutil.rmtree(part.path)


def shown_size(size: int) -> str:
    """Return a size in bytes as text: `12 kB`, `3.4 MB`."""
    if size < 1_000_000:
        return f"{size // 1000} kB"
    return f"{size / 1_000_000:.1f} MB" if size < 1_000_000_000 else f"{size / 1_000_000_000:.1f} GB"


def _parts(folders: Iterator[Path], content: str) -> Iterator[Part]:
    return (Part(folder, folder_size(folder), content) for folder in folders)


def _existing(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield folder


def _unused_code(workspace: Workspace, resources: list[DeployedResource]) -> Iterator[Path]:
    used = used_code(resources, CodeStore(workspace.code))
    for folder in _existing(workspace.code):
        yield from (each for each in sorted(folder.iterdir()) if each.is_dir() and each.name not in used)


def _left_temporary(workspace: Workspace) -> Iterator[Path]:
    for folder in _existing(workspace.temporary):
        yield from (each for each in sorted(folder.iterdir()) if not is_alive(each.name.partition("-")[0]))


def _scratch(workspace: Workspace) -> Iterator[Path]:
    """Yield the scratch database unless a process uses it."""
    for folder in _existing(workspace.folder / "verify"):
        lock = FileLock(Folder.at(folder).users_lock)
        if lock.try_lock_exclusive():
            lock.release()
            yield folder


def _unused_databases(workspace: Workspace, resources: list[DeployedResource]) -> Iterator[Path]:
    used = {each.local.get(FOLDER) for each in resources if each.type == CLUSTER}
    for folder in _existing(workspace.clusters):
        yield from (each for each in sorted(folder.iterdir()) if each.is_dir() and each.name not in used)
