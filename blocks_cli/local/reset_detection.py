"""Local databases that were emptied since the last deploy: all of their schema and roles is to be made again.

A reset leaves cluster, endpoint and keys as they are, so nothing in a template tells; but it makes another database
within PostgreSQL, which has another OID.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER, MIGRATIONS
from blocks_cli.database.login import Login
from blocks_cli.json_value import text
from blocks_cli.local.resources.cluster import FOLDER, REGION
from blocks_runtime import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_cli.local.account import Host
    from blocks_cli.local.state import DeployedResource, StackState

DATABASE = "database"
"""Key in `DeployedResource.local`: OID of the database at the end of the last deploy."""

_LIVE = sql("SELECT oid FROM pg_database WHERE datname = current_database()")


def migrate_again(host: Host) -> None:
    """Let the deploy that begins migrate what was emptied since the last one, as if its cluster were another."""
    for _, cluster in _clusters(host):
        known, now = cluster.local.get(DATABASE), _database(cluster, host)
        if known and now and known != now:
            endpoint = text(cluster.attributes["Endpoint"])
            host.note(f"{cluster.path}: was emptied since the last deploy, and is migrated again")
            for each in [*host.states.values()]:
                host.save(_unmigrated(each, endpoint))


def remember(host: Host) -> None:
    """Write down which databases there are at the end of a deploy."""
    for state, cluster in _clusters(host):
        if now := _database(cluster, host):
            local = {**cluster.local, DATABASE: now}
            host.save(host.states[state].having(dataclasses.replace(cluster, local=local)))


def _clusters(host: Host) -> Iterator[tuple[str, DeployedResource]]:
    for name, state in [*host.states.items()]:
        for resource in [*state.resources.values()]:
            if resource.type == CLUSTER:
                yield name, resource


def _database(cluster: DeployedResource, host: Host) -> str | None:
    """Return the OID of the live database; None while the cluster takes no connections."""
    running = host.clusters.get(cluster.local[FOLDER])
    if running is None:
        return None
    admin = Login.local(running, cluster.local[REGION]).plain()
    if admin is None:
        return None
    with contextlib.closing(admin):
        (row,) = admin.read(_LIVE)
        return str(row["oid"])


def _unmigrated(state: StackState, endpoint: str) -> StackState:
    """Return the state with the migrations of a cluster belonging to one that is gone."""
    for resource in state.resources.values():
        if resource.type == MIGRATIONS and resource.properties.get("Endpoint") == endpoint:
            properties = {**resource.properties, "Endpoint": f"{endpoint}.emptied"}
            state = state.having(dataclasses.replace(resource, properties=properties))
    return state
