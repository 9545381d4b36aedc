"""The entry point: one request of CloudFormation in, one answer out; the journal says where to go on."""

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
from .admin import NAME_PATIENCE, Admin
from .errors import MigrationProblem, server_words
from .grants import read_grants
from .lease import Queue
from .migrate import Outcome, migrate

if TYPE_CHECKING:
    from custom_resource.continuation import Context
    from custom_resource.deadline import Deadline

logging.getLogger("lambda_migrator").setLevel(logging.INFO)

MANIFEST = Path(__file__).parent.parent / "manifest.json"
"""Where the synth put the compiled migrations: at the root of the function's code."""


def handler(event: dict[str, object], context: Context) -> None:
    """Handle one event of CloudFormation for `Custom::DsqlMigrations`.

    Raises:
        OSError: everything was tried and CloudFormation could not be answered.
    """
    continuation.answer(_WORK, Request.of(event), event, context)


def _run(request: Request, deadline: Deadline) -> bytes:
    if request.type == "Delete":
        return request.succeeded({}, "the data and its schema stay as they are")
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
    admin = Admin(
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
    """Return how to wait for others: all but the invocation that has called this one may be at work.

    Lambda may deliver an event twice, and delivers one again whose invocation failed. A twin of our own is
    waited for like anybody else.
    """
    caller = re.compile(rf"{re.escape(holder)} \[{invocation - 1}/[0-9a-f]+\]")
    return Queue(gone=lambda name: caller.fullmatch(name) is not None)


def _succeeded(request: Request, outcome: Outcome) -> bytes:
    ahead = ", ".join(outcome.ahead)
    return request.succeeded(
        {"Newest": outcome.newest, "Applied": ", ".join(outcome.applied), "Ahead": ahead},
        f"the database is ahead of these files and stays there: {ahead}" if ahead else "",
    )


def _explain(error: BaseException) -> tuple[str, bool]:
    if isinstance(error, MigrationProblem):
        return error.shareable, True
    if isinstance(error, DatabaseError):
        return (
            f"the database cannot be used\n{server_words(error)}\ncheck the cluster and deploy again",
            False,
        )
    return f"{type(error).__name__}: {error}", False


_WORK = Work("the migrations", "what is done is in the journal", _run, _explain)
