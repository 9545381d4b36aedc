"""Detect local databases that were reset since the last deploy, and migrate them again.

A reset keeps cluster, endpoint and credentials, so templates do not change; but it creates a new database in
PostgreSQL, which has another OID.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from blocks_cli.assembly.resource_types import CLUSTER, GRANT, MIGRATIONS
from blocks_cli.database.login import Login
from blocks_cli.errors import CommandError
from blocks_cli.json_value import mapping, text
from blocks_cli.local.resources.cluster import FOLDER, REGION
from blocks_runtime import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from blocks_cli.local.account import LocalAccount
    from blocks_cli.local.state import DeployedResource, StackState

DATABASE = "database"
"""Key in `DeployedResource.local`: OID of the database at the end of the last deploy."""

_LIVE = sql("SELECT oid FROM pg_database WHERE datname = current_database()")


def migrate_reset_databases(account: LocalAccount, chosen: Collection[str]) -> None:
    """Mark migrations and grants of reset databases as changed, so that a deploy runs and makes them again.

    `chosen` are the stacks that the current deploy deploys. Grants may be in other stacks; these are noted.
    """
    for _, cluster in _clusters(account):
        if _was_reset(cluster, account):
            account.note(f"{cluster.path}: was reset since the last deploy; its migrations run again")
            for state in [*account.states.values()]:
                marked = _emptied(state, text(cluster.attributes["Endpoint"]))
                account.save(marked)
                if marked != state and state.name not in chosen:
                    account.note(
                        f"stack {state.name}: functions with a grant on {cluster.path} are refused until "
                        "the stack is deployed"
                    )


def check_resets(account: LocalAccount) -> None:
    """Refuse to use a database that was reset since the last deploy: it has no tables and no grants.

    Raises:
        CommandError: a database was reset.
    """
    for _, cluster in _clusters(account):
        if _was_reset(cluster, account):
            raise CommandError(
                f"{cluster.path}: the database was reset since the deploy",
                "its grants are gone, and its tables, unless `blocks up` has made them again",
                "run `blocks deploy --local`, which migrates it and makes the grants again",
            )


def _was_reset(cluster: DeployedResource, account: LocalAccount) -> bool:
    known, now = cluster.local.get(DATABASE), _database(cluster, account)
    return bool(known and now and known != now)


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


def _emptied(state: StackState, endpoint: str) -> StackState:
    """Return the state with migrations and grants of a cluster assigned to an endpoint that does not exist."""
    gone = f"{endpoint}.emptied"
    for resource in state.resources.values():
        properties = dict(resource.properties)
        if resource.type == MIGRATIONS and properties.get("Endpoint") == endpoint:
            properties["Endpoint"] = gone
        grant = mapping(properties.get("Grant"))
        if resource.type == GRANT and grant.get("Endpoint") == endpoint:
            properties["Grant"] = {**grant, "Endpoint": gone}
        if properties != resource.properties:
            state = state.with_resource(dataclasses.replace(resource, properties=properties))
    return state
