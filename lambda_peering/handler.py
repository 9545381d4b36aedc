"""The entry point: one request of CloudFormation for `Custom::DsqlPeering` in, one answer out.

Nothing is remembered between invocations. Each looks at both clusters and takes the next step, so a run that
was killed anywhere is carried on by the next one.
"""

from __future__ import annotations

import hashlib
import logging
from itertools import chain, repeat
from typing import TYPE_CHECKING

from custom_resource import continuation
from custom_resource.cloudformation import Request
from custom_resource.continuation import Work
from custom_resource.deadline import OutOfTime

from .clusters import Clusters
from .errors import PeeringError, TransientError
from .pair import Pair
from .steps import Action, Step, toward_parting, toward_peering

if TYPE_CHECKING:
    from custom_resource.continuation import Context
    from custom_resource.deadline import Deadline

    from .clusters import Cluster

_logger = logging.getLogger("lambda_peering")
_logger.setLevel(logging.INFO)

PAUSES = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two looks at the clusters, the last one from then on. A cluster is created in 5 to 30 s."""


def handler(event: dict[str, object], context: Context) -> None:
    """Handle one event of CloudFormation for `Custom::DsqlPeering`.

    Raises:
        OSError: everything was tried and CloudFormation could not be answered.
    """
    continuation.answer(_WORK, Request.of(event, "peering"), event, context)


def run(request: Request, deadline: Deadline, clusters: Clusters | None = None) -> bytes:
    """Peer the clusters, or on Delete let them be deleted, and return the answer.

    Raises:
        PeeringError: it cannot be done until somebody does something.
        OutOfTime: the deadline came first; run again to go on.
    """
    pair = Pair.of(request.properties)
    clusters = clusters or Clusters()
    standing = "no answer yet"
    try:
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            deadline.check()
            try:
                step = _look(request, pair, clusters, deadline)
                standing = step.why
                _logger.info("%s: %s", step.action.value, step.why)
                if step.action is Action.DONE:
                    break
                deadline.check()
                _take(step, pair, clusters, _token(request, step))
            except TransientError as reason:
                standing = str(reason)
                _logger.info("look again: %s", reason)
            deadline.sleep(pause)
    except OutOfTime:
        raise OutOfTime(standing) from None
    return request.succeeded({}, standing)


def _look(request: Request, pair: Pair, clusters: Clusters, deadline: Deadline) -> Step:
    def read(arn: str) -> Cluster | None:
        deadline.check()
        return clusters.read(arn)

    if request.type == "Delete" and not pair.deletes:
        return toward_parting(pair, None, None)
    primary, peer = map(read, pair.arns)
    decide = toward_parting if request.type == "Delete" else toward_peering
    return decide(pair, primary, peer)


def _take(step: Step, pair: Pair, clusters: Clusters, token: str) -> None:
    if step.action is Action.JOIN:
        clusters.join(step.arn, pair, token)
    elif step.action is Action.DELETE:
        clusters.delete(step.arn, token)


def _token(request: Request, step: Step) -> str:
    """Return a client token: the same step of the same request is carried out once, however often it is sent."""
    return hashlib.sha256(f"{request.request}/{step.action.value}/{step.arn}".encode()).hexdigest()


def _explain(error: BaseException) -> tuple[str, bool]:
    foreseen = isinstance(error, PeeringError)
    return (str(error) if foreseen else f"{type(error).__name__}: {error}"), foreseen


_WORK = Work("the peering", "both clusters are as they were left", run, _explain)
