"""Entry point of the migration function: one request of CloudFormation, one response; the journal has the progress."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_runtime.contract import ADMIN_ROLE, Variables, variable_prefix
from blocks_runtime.errors import DatabaseError
from custom_resource import continuation
from custom_resource.cloudformation import Request
from custom_resource.continuation import Work

from . import grant_resource, manifest, upgrade
from .admin import is_unknown_host
from .errors import server_words
from .grants import read_grants
from .invocation import cluster_of, connection, explain, process_of, queue_for
from .ledger import GrantRequest, on_cluster
from .ledger_table import carry_out, read_or_empty
from .migrate import Outcome, holding_lease, migrate

if TYPE_CHECKING:
    from custom_resource.continuation import Context
    from custom_resource.deadline import Deadline

    from .admin import AdminConnection
    from .ledger import Rule

logging.getLogger("lambda_migrator").setLevel(logging.INFO)

_NAMES = 400
"""Characters of names in the status."""

MANIFEST = Path(__file__).parent.parent / "manifest.json"
"""The compiled migrations, which synth put at the root of the function's code."""


def handler(event: dict[str, object], context: Context) -> None:
    """Handle one event of CloudFormation for `Custom::DsqlMigrations` or `Custom::DsqlGrant`.

    Raises:
        OSError: the response could not be delivered to CloudFormation.
    """
    if event.get("ResourceType") == grant_resource.RESOURCE_TYPE:
        grant_resource.handle(event, context)
    else:
        continuation.respond(_WORK, Request.of(event), event, context)


def _run(request: Request, deadline: Deadline) -> bytes:
    if request.type == "Delete":
        return request.succeeded({}, _delete(request, deadline))
    rule = _rule(request)
    compiled = manifest.load(MANIFEST)
    holder = f"deploy {request.request}"
    with _connection(request, deadline).open() as admin:
        outcome = migrate(
            admin,
            compiled,
            database=_database(request),
            holder=holder,
            process=process_of(request),
            queue=queue_for(holder, request),
            rule=on_cluster(_cluster(request), rule),
        )
    return _succeeded(request.answered_as(outcome.id), outcome)


def _rule(request: Request) -> Rule:
    """Return the change of the ledger: adoption on the first Update without `Grants`, or what `Grants` asks for."""
    properties, old = request.properties, request.old_properties
    if "Grants" in properties:
        asked = _ledger_request(request, properties["Grants"])
        return lambda rows: upgrade.grant_old(rows, asked)
    elsewhere = _elsewhere(properties.get("Elsewhere", []))
    if "Grants" in old:
        asked = _ledger_request(request, old["Grants"])
        return lambda rows: upgrade.adopt(rows, asked, elsewhere)
    asked = _ledger_request(request)
    return lambda rows: upgrade.list_elsewhere(rows, asked, elsewhere)


def _ledger_request(request: Request, grants: object = ()) -> GrantRequest:
    database = _database(request)
    return GrantRequest(
        database=database,
        stack=request.stack,
        resource=request.resource,
        request=request.request,
        physical_id=request.physical_id,
        signed_at=request.signed_at,
        grants=read_grants(database, grants) if grants != () else (),
    )


def _elsewhere(entries: object) -> frozenset[tuple[str, str]]:
    """Return the (role, ARN) mappings of the property `Elsewhere`."""
    listed = entries if isinstance(entries, list) else []
    return frozenset((str(each["DatabaseRole"]), str(each["RoleArn"])) for each in listed)


def _delete(request: Request, deadline: Deadline) -> str:
    """End what was adopted for this id, and return what was kept; the ledger is only read if there is nothing."""
    kept = "data and schema are kept"
    try:
        connecting = _connection(request, deadline)
    except (KeyError, ValueError):  # Create failed for the same reason, so nothing was adopted
        return kept
    asked, holder = _ledger_request(request), f"deploy {request.request}"
    with connecting.open() as admin:
        try:
            rows = read_or_empty(admin)
        except DatabaseError as error:
            if request.properties.get("Grants") and not is_unknown_host(admin.host):
                raise
            return f"{kept}; the ledger of grants was not read: {server_words(error)}"
        if upgrade.adopted_id(asked) not in rows:
            return kept
        with holding_lease(admin, f"{holder} {process_of(request)}", queue_for(holder, request)) as lease:
            rule = on_cluster(_cluster(request), lambda rows: upgrade.end_adopted(rows, asked))
            carry_out(admin, lease, asked.database, rule)
    return kept


def _database(request: Request) -> str:
    return str(request.properties["Database"])


def _cluster(request: Request) -> str:
    return cluster_of(_database(request), str(request.properties["Endpoint"]))


def _connection(request: Request, deadline: Deadline) -> AdminConnection:
    properties = request.properties
    database = _database(request)
    variables = Variables(
        endpoint=str(properties["Endpoint"]),
        region=str(properties["Region"]),
        role=ADMIN_ROLE,
        ca=os.environ.get(f"{variable_prefix(database)}_CA"),
    )
    return connection(variables, deadline, request)


def _succeeded(request: Request, outcome: Outcome) -> bytes:
    ahead = ", ".join(outcome.ahead)
    behind = f"the database is ahead of these files and is left so: {_shortened(ahead)}" if ahead else ""
    data = {"Newest": outcome.newest, "Applied": ", ".join(outcome.applied), "Ahead": ahead}
    status = behind or f"up to date: {outcome.newest or 'no migrations'}"
    return request.succeeded(data | {"Status": status}, behind)


def _shortened(names: str) -> str:
    """Return the names, or their beginning: the stack's output reads `Status`, so a response must have it."""
    return names if len(names) <= _NAMES else f"{names[:_NAMES]}…"


_WORK = Work("the migrations", "what is done is in the journal", _run, explain)
