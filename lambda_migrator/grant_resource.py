"""The custom resource `Custom::DsqlGrant`: Create and Update grant, Delete revokes.

A changed grant has another physical id, so CloudFormation updates the functions first and deletes the old id in the
clean-up, when nothing uses it any more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blocks_runtime.contract import Variables, variable_prefix
from blocks_runtime.errors import ConnectionFailed
from custom_resource import continuation
from custom_resource.cloudformation import Request
from custom_resource.continuation import Work

from . import ledger, upgrade
from .admin import is_unknown_host
from .errors import MigrationFailedError
from .grants import read_grants
from .invocation import cluster_of, connection, explain, process_of, queue_for
from .ledger import GrantRequest
from .ledger_table import carry_out
from .migrate import holding_lease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from custom_resource.continuation import Context
    from custom_resource.deadline import Deadline

    from .grants import Grant
    from .ledger import Change, Ledger, Rule

RESOURCE_TYPE = "Custom::DsqlGrant"

_POLL = (0.1, 0.5)
"""Seconds between two attempts to take the lease: all grants of a deploy are requested at once, and each is short."""


def handle(event: dict[str, object], context: Context) -> None:
    """Handle one event of CloudFormation for `Custom::DsqlGrant`.

    Raises:
        OSError: the response could not be delivered to CloudFormation.
    """
    request = Request.of(event, "grant")
    if request.event_id is None:
        request = request.answered_as(_ledger_request(request).new_id)
    continuation.respond(_WORK, request, event, context)


def _run(request: Request, deadline: Deadline) -> bytes:
    if request.type == "Delete":
        return _delete(request, deadline)
    grants = _grants(request)
    variables = _variables(request)
    if variables is None:
        raise _other_database(request)
    asked = _ledger_request(request, grants)
    change = _carry_out(request, variables, deadline, lambda rows: ledger.grant(rows, asked))
    if change.cancelled:
        raise _cancelled(request, change.cancelled)
    return request.answered_as(change.id).succeeded({})


def _delete(request: Request, deadline: Deadline) -> bytes:
    variables = _variables(request)
    if variables is None:
        return request.succeeded(
            {}, f"this function has no database {_database(request)!r}, so it granted nothing"
        )
    asked = _ledger_request(request)

    def rule(rows: Ledger) -> Change:
        return upgrade.end_claimed(rows, asked, ledger.revoke(rows, asked))

    try:
        _carry_out(request, variables, deadline, rule)
    except ConnectionFailed:
        host = variables.endpoint.partition(":")[0]
        if not is_unknown_host(host):
            raise
        return request.succeeded({}, f"there is no host {host}, so there is no cluster to revoke from")
    return request.succeeded({})


def _carry_out(request: Request, variables: Variables, deadline: Deadline, rule: Rule) -> Change:
    holder = f"grant {request.request}"
    with (
        connection(variables, deadline, request).open() as admin,
        holding_lease(admin, f"{holder} {process_of(request)}", queue_for(holder, request, _POLL)) as lease,
    ):
        cluster = cluster_of(_database(request), variables.endpoint)
        return carry_out(admin, lease, _database(request), ledger.on_cluster(cluster, rule))


def _ledger_request(request: Request, grants: tuple[Grant, ...] = ()) -> GrantRequest:
    return GrantRequest(
        database=_database(request),
        stack=request.stack,
        resource=request.resource,
        request=request.request,
        physical_id=request.event_id,
        signed_at=request.signed_at,
        grants=grants,
    )


def _properties(request: Request) -> Mapping[str, object]:
    grant = request.properties.get("Grant")
    return grant if isinstance(grant, dict) else {}


def _database(request: Request) -> str:
    return str(_properties(request).get("Database", "database"))


def _grants(request: Request) -> tuple[Grant, ...]:
    """Read `Roles`: one grant for each database role.

    Raises:
        MigrationFailedError: there is none, or one is incomplete or of another database.
    """
    roles = _properties(request).get("Roles")
    entries: object = roles
    if isinstance(roles, list) and all(isinstance(role, dict) for role in roles):
        entries = [{**role, "RoleArn": _properties(request).get("RoleArn")} for role in roles] or None
    grants = read_grants(_database(request), entries)
    return tuple(sorted(grants, key=lambda grant: grant.role))


def _variables(request: Request) -> Variables | None:
    """Return where the function's own database is; the event cannot name another cluster."""
    return Variables.read(_database(request), os.environ)


def _other_database(request: Request) -> MigrationFailedError:
    prefix = variable_prefix(_database(request))
    return MigrationFailedError(
        f"this function does not migrate the database {_database(request)!r}",
        f"its environment has no variables {prefix}_ENDPOINT, {prefix}_REGION and {prefix}_ROLE",
        "install one release of blocks-dsql for the construct and the migration function, and deploy again",
    )


def _cancelled(request: Request, why: str) -> MigrationFailedError:
    return MigrationFailedError(
        f"CloudFormation has cancelled this {request.type}, so nothing was granted", why, "deploy again"
    )


_WORK = Work("the grant", "the ledger has the state of the grant", _run, explain)
