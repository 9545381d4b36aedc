"""Clusters of other local projects, which this project imports by their identifiers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER
from blocks_cli.errors import CommandError
from blocks_cli.local.resources.cluster import FOLDER
from local_dsql.cluster import identifier_in, renew_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.local.account import LocalAccount


@dataclass(frozen=True, slots=True)
class ImportedCluster:
    """A cluster in a folder of another project; `identifier` is the one that the app imports it by."""

    identifier: str
    folder: str
    region: str
    endpoint: str = ""


def record_imports(account: LocalAccount, folders: Mapping[str, str], region: str) -> None:
    """Record the folders of imported clusters by identifier, in addition to the known ones, and start all.

    Raises:
        CommandError: a folder has no local cluster, or the cluster cannot be started.
    """
    known = {each.identifier: each for each in _read(account)}
    for identifier, folder in folders.items():
        found = _cluster_folder(Path(folder))
        _tell_copies_apart(account, found)
        known[identifier] = ImportedCluster(identifier, str(found), region)
    if known:
        _start(account, [*known.values()])


def restore_imports(account: LocalAccount) -> None:
    """Start the recorded clusters again; a new port replaces the old one in all records."""
    if known := _read(account):
        _start(account, known)


def local_names(account: LocalAccount) -> dict[str, str]:
    """Return local identifiers and endpoints by the identifiers and host names that an app may import."""
    names = {}
    for arn, cluster in account.clusters.by_arn().items():
        region = arn.split(":")[3]
        names[_host(cluster.identifier, region)] = cluster.endpoint(region)
    for each in _read(account):
        if running := account.clusters.get(each.folder):
            names[each.identifier] = running.identifier
    return names


def _start(account: LocalAccount, imported: list[ImportedCluster]) -> None:
    started, moved = [], {}
    for each in imported:
        endpoint = account.clusters.start(each.folder, each.region).endpoint(each.region)
        if each.endpoint and each.endpoint != endpoint:
            moved[each.endpoint] = endpoint
        started.append(ImportedCluster(each.identifier, each.folder, each.region, endpoint))
    for state in [*account.states.values()] if moved else []:
        account.save(state.renamed(moved))
    _file(account).write_text(json.dumps([asdict(each) for each in started], indent=1), "utf-8")


def _host(identifier: str, region: str) -> str:
    """Return the host name that the construct derives of an identifier."""
    return f"{identifier}.dsql.{region}.on.aws"


def _cluster_folder(path: Path) -> Path:
    """Return the folder of a cluster, given itself or a project with one cluster."""
    inside = path / ".blocks" / "local"
    candidates = [each for each in inside.iterdir() if each.is_dir()] if inside.is_dir() else [path]
    if len(candidates) != 1 or not candidates[0].is_dir():
        raise CommandError(
            f"{path}: not one local cluster",
            f"it has {', '.join(sorted(each.name for each in candidates)) or 'none'}"
            if inside.is_dir()
            else "there is no such folder",
            "deploy that project locally, and pass its folder, or .blocks/local/NAME in it",
        )
    return candidates[0].resolve()


def _tell_copies_apart(account: LocalAccount, folder: Path) -> None:
    """Give a copy of another cluster of this project an identifier of its own, as a restored backup has on AWS."""
    own = {
        account.workspace.clusters / each.local[FOLDER]: each.physical_id
        for each in account.existing()
        if each.type == CLUSTER
    }
    imported = {Path(each.folder): identifier_in(each.folder) for each in _read(account)}
    others = {identifier for path, identifier in (own | imported).items() if path.resolve() != folder}
    if identifier_in(folder) in others - {None}:
        renew_identifier(folder)


def _file(account: LocalAccount) -> Path:
    return account.workspace.folder / "imported-clusters.json"


def _read(account: LocalAccount) -> list[ImportedCluster]:
    file = _file(account)
    return [ImportedCluster(**row) for row in json.loads(file.read_text("utf-8"))] if file.exists() else []
