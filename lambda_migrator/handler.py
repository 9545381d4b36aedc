"""Entry point of the migration function: one request of CloudFormation, one response; the journal has the progress."""

from __future__ import annotations

import logging
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_runtime.contract import ADMIN_ROLE, Variables, variable_prefix
from blocks_runtime.database.target import Target
from blocks_runtime.errors import DatabaseError
from blocks_runtime.shared import credentials
from custom_resource import continuation
from custom_resource.cloudformation import Request
from custom_resource.continuation import Work

from . import manifest
from .admin import NAME_PATIENCE, AdminConnection
from .errors import MigrationFailedError, server_words
from .grants import read_grants
from .lease import Queue
from .migrate import Outcome, migrate

if TYPE_CHECKING:
    from custom_resource.continuation import Context
    from custom_resource.deadline import Deadline

logging.getLogger("lambda_migrator").setLevel(logging.INFO)

MANIFEST = Path(__file__).parent.parent / "manifest.json"
"""The compiled migrations, which synth put at the root of the function's code."""


def handler(event: dict[str, object], context: Context) -> None:
    """Handle one event of CloudFormation for `Custom::DsqlMigrations`.

    Raises:
        OSError: the response could not be delivered to CloudFormation.
    """
    continuation.respond(_WORK, Request.of(event), event, context)


def _run(request: Request, deadline: Deadline) -> bytes:
    if request.type == "Delete":
        return request.succeeded({}, "data and schema are kept")
    return _succeeded(request, _migrate(request, deadline))


def _migrate(request: Request, deadline: Deadline) -> Outcome:
    properties = request.properties
    database = str(properties["Database"])
    variables = Variables(
        endpoint=str(properties["Endpoint"]),
        region=str(properties["Region"]),
        role=ADMIN_ROLE,
        ca=os.environ.get(f"{variable_prefix(database)}_CA"),
    )
    grants = read_grants(database, properties.get("Grants", []))
    compiled = manifest.load(MANIFEST)
    holder = f"deploy {request.request}"
    admin = AdminConnection(
        Target.of(variables), credentials.provider(os.environ), deadline, name_patience=NAME_PATIENCE
    )
    with admin.open():
        return migrate(
            admin,
            compiled,
            database=database,
            grants=grants,
            holder=holder,
            process=f"[{request.invocation}/{secrets.token_hex(4)}]",
            queue=_queue(holder, request.invocation),
        )


def _queue(holder: str, invocation: int) -> Queue:
    """Return the rules for waiting: every holder but the invocation that invoked this one may be running.

    Lambda may deliver an event twice, and delivers an event again after a failed invocation. A duplicate of this
    invocation is waited for like any other holder.
    """
    caller = re.compile(rf"{re.escape(holder)} \[{invocation - 1}/[0-9a-f]+\]")
    return Queue(gone=lambda name: caller.fullmatch(name) is not None)


def _succeeded(request: Request, outcome: Outcome) -> bytes:
    ahead = ", ".join(outcome.ahead)
    return request.succeeded(
        {"Newest": outcome.newest, "Applied": ", ".join(outcome.applied), "Ahead": ahead},
        f"the database is ahead of these files and is left so: {ahead}" if ahead else "",
    )


def _explain(error: BaseException) -> tuple[str, bool]:
    if isinstance(error, MigrationFailedError):
        return error.shareable, True
    if isinstance(error, DatabaseError):
        return (
            f"the database cannot be used\n{server_words(error)}\ncheck the cluster and deploy again",
            False,
        )
    return f"{type(error).__name__}: {error}", False


_WORK = Work("the migrations", "what is done is in the journal", _run, _explain)
