"""Handling of one request of CloudFormation: a response on every path, and continuation in another invocation.

A custom resource may take an hour, an invocation a quarter of that. Shortly before its end the function invokes itself
with the same event, and that invocation sends the response; progress is recorded elsewhere.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from . import cloudformation
from .cloudformation import INVOCATION
from .deadline import Deadline, OutOfTime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .cloudformation import Request

_logger = logging.getLogger("custom_resource")
_logger.setLevel(logging.INFO)

MARGIN = 20.0
"""Seconds before the invocation's end at which it stops working and responds or continues in another."""

CALL_TIMEOUT = 2.5
"""Seconds to connect to Lambda, and to wait for its reply; twice both, and a response, fit into the margin."""

SPARE = 1.0
"""Seconds before the invocation's end at which the delivery of a response is given up."""

BUDGET = 55 * 60.0
"""Seconds for one request over all invocations, if the service timeout of the resource is an hour."""

_SERVICE_TIMEOUT = 3600.0

STARTED_AT = "BlocksStartedAt"
"""Key of a continued event: start of the first invocation, in seconds since the epoch."""


class Context(Protocol):
    """The part of Lambda's context object that is used here."""

    invoked_function_arn: str
    log_stream_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a custom resource function.

    `what` names it, and `left_off` tells the state after a timeout. `run` handles a request until a deadline and
    returns the response of success. `explain` returns the part of an error that may be shown in stack events, and
    whether the error is an expected one; the log has its full text, or the traceback of an unexpected one.
    """

    what: str
    left_off: str
    run: Callable[[Request, Deadline], bytes]
    explain: Callable[[BaseException], tuple[str, bool]]


def respond(work: Work, request: Request, event: dict[str, object], context: Context) -> None:
    """Run the work and send the response, or continue in another invocation.

    Raises:
        OSError: the response could not be delivered to CloudFormation.
    """
    event.setdefault(STARTED_AT, time.time())
    _logger.info("%s of %s in %s", request.type, request.resource, request.stack)
    late: OutOfTime | None = None
    response: bytes | None
    try:
        response = work.run(request, _deadline(event, context))
    except OutOfTime as error:
        late = error
        response = _reinvoke(work, request, event, context, str(late))
        if response is None:
            return  # another invocation will send it
    except BaseException as error:  # CloudFormation needs a response after any error
        reason, foreseen = work.explain(error)
        _logger.error("%s", error if foreseen else reason, exc_info=not foreseen)
        response = request.failed(f"{reason}\nlog stream: {context.log_stream_name}")
    try:
        cloudformation.send(request.url, response, _seconds_left(context) - SPARE)
    finally:
        if late is not None:
            late.give_up(Deadline.after(_seconds_left(context) - SPARE))


def _deadline(event: Mapping[str, object], context: Context) -> Deadline:
    left = _seconds_left(context)
    return Deadline.after(min(left - min(MARGIN, left / 3), _budget_left(event)))


def _seconds_left(context: Context) -> float:
    return context.get_remaining_time_in_millis() / 1000


def _budget_left(event: Mapping[str, object]) -> float:
    return float(str(event[STARTED_AT])) + _budget(event) - time.time()


def _budget(event: Mapping[str, object]) -> float:
    """Return the seconds for one request: the same part of a shorter service timeout, which its properties have."""
    properties = event.get("ResourceProperties")
    timeout = properties.get("ServiceTimeout") if isinstance(properties, dict) else None
    return BUDGET * min(float(str(timeout or _SERVICE_TIMEOUT)) / _SERVICE_TIMEOUT, 1.0)


def _reinvoke(
    work: Work, request: Request, event: dict[str, object], context: Context, why: str
) -> bytes | None:
    """Invoke this function again with the same event, unless the budget of the request is used up."""
    if _budget_left(event) < 1:
        return request.failed(
            f"{work.what} did not end within {_budget(event) / 60:.0f} minutes\n"
            f"{why or work.left_off}\ndeploy again to continue"
        )
    try:
        _invoke(context.invoked_function_arn, event | {INVOCATION: request.invocation + 1})
    except Exception as error:
        _logger.exception("cannot continue in another invocation")
        return request.failed(
            f"out of time, and invoking {context.invoked_function_arn} again failed: {error}\n"
            "allow the function to invoke itself and to reach Lambda from its network, then deploy again to continue"
        )
    return None


def _invoke(function: str, event: Mapping[str, object]) -> None:
    import boto3  # part of Lambda's Python runtime; slow to import, so only here
    from botocore.config import Config

    # boto3's default timeouts, up to five minutes, are longer than the remaining time.
    retries = {"mode": "standard", "total_max_attempts": 2}
    config = Config(connect_timeout=CALL_TIMEOUT, read_timeout=CALL_TIMEOUT, retries=retries)
    client = boto3.client("lambda", region_name=function.split(":")[3], config=config)
    client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
