"""One request of CloudFormation, however long it takes: answered on every path, carried on in a fresh invocation.

A custom resource may take an hour, an invocation a quarter of one. Shortly before its own end the function
calls itself with the same event and leaves the answer to that invocation; what is done is recorded elsewhere.
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
"""Seconds before the invocation's end at which it stops working and passes on or answers."""

CALL_TIMEOUT = 2.5
"""Seconds to connect to Lambda, and to wait for its answer; twice both, and an answer, fit into the margin."""

SPARE = 1.0
"""Seconds before the invocation's end at which an answer that cannot be delivered is given up."""

BUDGET = 55 * 60.0
"""Seconds for the whole of one request, from the first invocation on; its service timeout is an hour."""

STARTED_AT = "BlocksStartedAt"
"""Key that a continued event carries: when the first invocation began, in seconds since the epoch."""


class Context(Protocol):
    """What is used of Lambda's context object."""

    invoked_function_arn: str
    log_stream_name: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a function does for CloudFormation, and how it speaks of it.

    `run` does what the request asks for by a deadline and returns the answer of success. `explain` says what
    everybody may read of an error, and whether it was foreseen; the log has its whole text, or where it came from.
    """

    what: str
    left_off: str
    run: Callable[[Request, Deadline], bytes]
    explain: Callable[[BaseException], tuple[str, bool]]


def answer(work: Work, request: Request, event: dict[str, object], context: Context) -> None:
    """Do the work and answer, or let another invocation do so.

    Raises:
        OSError: everything was tried and CloudFormation could not be answered.
    """
    event.setdefault(STARTED_AT, time.time())
    _logger.info("%s of %s in %s", request.type, request.resource, request.stack)
    said = _attempt(work, request, event, context)
    if said is not None:
        cloudformation.send(request.url, said, _seconds_left(context) - SPARE)


def _attempt(work: Work, request: Request, event: dict[str, object], context: Context) -> bytes | None:
    """Return the answer, or None when another invocation will give it."""
    try:
        return work.run(request, _deadline(event, context))
    except OutOfTime as late:
        return _pass_on(work, request, event, context, str(late))
    except BaseException as error:  # whatever it is, CloudFormation must hear of it
        reason, foreseen = work.explain(error)
        _logger.error("%s", error if foreseen else reason, exc_info=not foreseen)
        return request.failed(f"{reason}\nlog stream: {context.log_stream_name}")


def _deadline(event: Mapping[str, object], context: Context) -> Deadline:
    left = _seconds_left(context)
    return Deadline.after(min(left - min(MARGIN, left / 3), _budget_left(event)))


def _seconds_left(context: Context) -> float:
    return context.get_remaining_time_in_millis() / 1000


def _budget_left(event: Mapping[str, object]) -> float:
    return float(str(event[STARTED_AT])) + BUDGET - time.time()


def _pass_on(
    work: Work, request: Request, event: dict[str, object], context: Context, why: str
) -> bytes | None:
    """Call this function again with the same event, unless the whole request has run out of time."""
    if _budget_left(event) < 1:
        return request.failed(
            f"{work.what} did not end within {BUDGET / 60:.0f} minutes\n"
            f"{why or work.left_off}\ndeploy again to go on from there"
        )
    try:
        _invoke(context.invoked_function_arn, event | {INVOCATION: request.invocation + 1})
    except Exception as error:
        _logger.exception("cannot go on in another invocation")
        return request.failed(
            f"out of time, and calling {context.invoked_function_arn} again failed: {error}\n"
            "see that the function may call itself and that its network has a way to Lambda, then deploy "
            "again to go on from there"
        )
    return None


def _invoke(function: str, event: Mapping[str, object]) -> None:
    import boto3  # part of Lambda's own Python, and heavy, so only here
    from botocore.config import Config

    # boto3's own patience, five minutes, is longer than what is left.
    retries = {"mode": "standard", "total_max_attempts": 2}
    config = Config(connect_timeout=CALL_TIMEOUT, read_timeout=CALL_TIMEOUT, retries=retries)
    client = boto3.client("lambda", region_name=function.split(":")[3], config=config)
    client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
