"""Entry point of the peering function: one request of CloudFormation for `Custom::DsqlPeering`, one response.

No state is kept between invocations. Each reads both clusters and performs the next step, so a run that was killed
anywhere is continued by the next one.
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

from .control_plane import Clusters
from .errors import PeeringError, TransientError
from .pair import Pair
from .steps import Action, Step, next_peer_step, next_unpeer_step

if TYPE_CHECKING:
    from custom_resource.continuation import Context
    from custom_resource.deadline import Deadline

    from .control_plane import Cluster

_logger = logging.getLogger("lambda_peering")
_logger.setLevel(logging.INFO)

PAUSES = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between two reads of the clusters; the last value repeats. A cluster is created in 5 to 30 s."""


def handler(event: dict[str, object], context: Context) -> None:
    """Handle one event of CloudFormation for `Custom::DsqlPeering`.

    Raises:
        OSError: the response could not be delivered to CloudFormation.
    """
    continuation.respond(_WORK, Request.of(event, "peering"), event, context)


def run(request: Request, deadline: Deadline, clusters: Clusters | None = None) -> bytes:
    """Peer the clusters, or on Delete delete the peer, and return the response.

    Raises:
        PeeringError: user action is needed.
        OutOfTime: the deadline passed; run again to continue.
    """
    pair = Pair.of(request.properties)
    clusters = clusters or Clusters()
    status = "not read yet"
    try:
        for pause in chain(PAUSES, repeat(PAUSES[-1])):
            deadline.check()
            try:
                step = _next_step(request, pair, clusters, deadline)
                status = step.why
                _logger.info("%s: %s", step.action.value, step.why)
                if step.action is Action.DONE:
                    break
                deadline.check()
                _perform(step, pair, clusters, _token(request, step))
            except TransientError as reason:
                status = str(reason)
                _logger.info("retry: %s", reason)
            deadline.sleep(pause)
    except OutOfTime:
        raise OutOfTime(status) from None
    return request.succeeded({}, status)


def _next_step(request: Request, pair: Pair, clusters: Clusters, deadline: Deadline) -> Step:
    def read(arn: str) -> Cluster | None:
        deadline.check()
        return clusters.read(arn)

    if request.type == "Delete" and not pair.deletes:
        return next_unpeer_step(pair, None, None)
    primary, peer = map(read, pair.arns)
    decide = next_unpeer_step if request.type == "Delete" else next_peer_step
    return decide(pair, primary, peer)


def _perform(step: Step, pair: Pair, clusters: Clusters, token: str) -> None:
    if step.action is Action.SET_PEER:
        clusters.set_peer(step.arn, pair, token)
    elif step.action is Action.DELETE:
        clusters.delete(step.arn, token)


def _token(request: Request, step: Step) -> str:
    """Return a client token, so that a step of a request is performed once even if it is sent again."""
    return hashlib.sha256(f"{request.request}/{step.action.value}/{step.arn}".encode()).hexdigest()


def _explain(error: BaseException) -> tuple[str, bool]:
    foreseen = isinstance(error, PeeringError)
    return (str(error) if foreseen else f"{type(error).__name__}: {error}"), foreseen


_WORK = Work("the peering", "both clusters keep their last state", run, _explain)
