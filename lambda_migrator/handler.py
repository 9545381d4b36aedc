"""The entry point: one request of CloudFormation in, one answer out, on every path.

Waiting for index builds may take longer than an invocation. Shortly before its own end the function calls
itself with the same event and leaves the answer to that invocation; the journal says where to go on.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from blocks_runtime import credentials
from blocks_runtime.contract import ADMIN_ROLE, Variables, variable_prefix
from blocks_runtime.errors import DatabaseError
from blocks_runtime.target import Target

from . import cloudformation, manifest
from .admin import Admin
from .cloudformation import Request
from .deadline import Deadline, OutOfTime
from .grants import read_grants
from .migrate import Outcome, migrate
from .problem import MigrationProblem, server_words

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger = logging.getLogger("lambda_migrator")
_logger.setLevel(logging.INFO)

MANIFEST = Path(__file__).parent.parent / "manifest.json"
"""Where the synth put the compiled migrations: at the root of the function's code."""

MARGIN = 20.0
"""Seconds before the invocation's end at which it stops working and passes on or answers."""

BUDGET = 55 * 60.0
"""Seconds for the whole of one request; the resource's service timeout is an hour."""

STARTED_AT = "BlocksStartedAt"
"""Key that a continued event carries: when the first invocation began, in seconds since the epoch."""


class Context(Protocol):
    """What is used of Lambda's context object."""

    invoked_function_arn: str
    log_stream_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


def handler(event: dict[str, object], context: Context) -> None:
    """Handle one event of CloudFormation for `Custom::DsqlMigrations`.

    Raises:
        OSError: everything was tried and CloudFormation could not be answered.
    """
    request = Request.of(event)
    _logger.info("%s of %s in %s", request.type, request.resource, request.stack)
    answer = _answer(request, event, context)
    if answer is not None:
        cloudformation.send(request.url, answer)


def _answer(request: Request, event: dict[str, object], context: Context) -> bytes | None:
    """Return the answer, or None when another invocation will give it."""
    try:
        if request.type == "Delete":
            return request.succeeded({}, "the data and its schema stay as they are")
        return _succeeded(request, _migrate(request, _deadline(event, context)))
    except OutOfTime as late:
        return _pass_on(request, event, context, str(late))
    except BaseException as error:  # whatever it is, CloudFormation must hear of it
        reason = _reason(error)
        _logger.error("%s", reason, exc_info=not isinstance(error, MigrationProblem))
        return request.failed(f"{reason}\nlog stream: {context.log_stream_name}")


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
    admin = Admin(Target.of(variables), credentials.provider(os.environ), deadline)
    with admin.open():
        return migrate(admin, compiled, database=database, grants=grants, holder=f"deploy {request.request}")


def _deadline(event: Mapping[str, object], context: Context) -> Deadline:
    left = context.get_remaining_time_in_millis() / 1000
    return Deadline.after(left - min(MARGIN, left / 3))


def _pass_on(request: Request, event: dict[str, object], context: Context, why: str) -> bytes | None:
    """Call this function again with the same event, unless the whole request has run out of time."""
    started = event.setdefault(STARTED_AT, time.time())
    if not isinstance(started, float | int) or time.time() - started > BUDGET:
        return request.failed(
            f"the migrations did not end within {BUDGET / 60:.0f} minutes\n"
            f"{why or 'what is done is in the journal'}\ndeploy again to go on from there"
        )
    try:
        _invoke(context.invoked_function_arn, event)
    except Exception as error:
        _logger.exception("cannot go on in another invocation")
        return request.failed(
            f"out of time, and calling {context.invoked_function_arn} again failed: {error}\n"
            "deploy again to go on from where the migrations are, or raise the migrator's timeout"
        )
    return None


def _invoke(function: str, event: Mapping[str, object]) -> None:
    import boto3  # part of Lambda's own Python, and heavy, so only here

    client = boto3.client("lambda", region_name=function.split(":")[3])
    client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())


def _succeeded(request: Request, outcome: Outcome) -> bytes:
    reason = ""
    if outcome.ahead:
        reason = f"the database is ahead of these files and stays there: {', '.join(outcome.ahead)}"
    return request.succeeded({"Newest": outcome.newest, "Applied": ", ".join(outcome.applied)}, reason)


def _reason(error: BaseException) -> str:
    if isinstance(error, MigrationProblem):
        return str(error)
    if isinstance(error, DatabaseError):
        return f"the database cannot be used\n{server_words(error)}\ncheck the cluster and deploy again"
    return f"{type(error).__name__}: {error}"
