"""Detect local databases that were reset since the last deploy, and migrate them again.

A reset keeps cluster, endpoint and credentials, so templates do not change; but it creates a new database in
PostgreSQL, which has another OID.
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

    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource, StackState

DATABASE = "database"
"""Key in `DeployedResource.local`: OID of the database at the end of the last deploy."""

_LIVE = sql("SELECT oid FROM pg_database WHERE datname = current_database()")


def migrate_reset_databases(account: LocalAccount) -> None:
    """Mark the migrations of reset databases as changed, so that the current deploy runs them again."""
    for _, cluster in _clusters(account):
        known, now = cluster.local.get(DATABASE), _database(cluster, account)
        if known and now and known != now:
            endpoint = text(cluster.attributes["Endpoint"])
            account.note(f"{cluster.path}: was reset since the last deploy; its migrations run again")
            for each in [*account.states.values()]:
                account.save(_without_migrations(each, endpoint))


def record_databases(account: LocalAccount) -> None:
    """Record the OIDs of the databases at the end of a deploy."""
    for state, cluster in _clusters(account):
        if now := _database(cluster, account):
            local = {**cluster.local, DATABASE: now}
            account.save(account.states[state].with_resource(dataclasses.replace(cluster, local=local)))


def _clusters(account: LocalAccount) -> Iterator[tuple[str, DeployedResource]]:
    for name, state in [*account.states.items()]:
        for resource in [*state.resources.values()]:
            if resource.type == CLUSTER:
                yield name, resource


def _database(cluster: DeployedResource, account: LocalAccount) -> str | None:
    """Return the OID of the live database, or None while the cluster accepts no connections."""
    running = account.clusters.get(cluster.local[FOLDER])
    if running is None:
        return None
    admin = Login.local(running, cluster.local[REGION]).plain()
    if admin is None:
        return None
    with contextlib.closing(admin):
        (row,) = admin.read(_LIVE)
        return str(row["oid"])


def _without_migrations(state: StackState, endpoint: str) -> StackState:
    """Return the state with the migrations of a cluster assigned to an endpoint that does not exist."""
    for resource in state.resources.values():
        if resource.type == MIGRATIONS and resource.properties.get("Endpoint") == endpoint:
            properties = {**resource.properties, "Endpoint": f"{endpoint}.emptied"}
            state = state.with_resource(dataclasses.replace(resource, properties=properties))
    return state
