"""The control plane of two Regions over HTTP, which records every call and can make any of them fail."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config

from blocks_cli.control_plane.cluster import Cluster, ClusterId, Status
from blocks_cli.control_plane.endpoint import ControlPlaneEndpoint
from blocks_cli.control_plane.errors import ApiError
from blocks_cli.control_plane.states import ControlPlane
from custom_resource.cloudformation import Request
from custom_resource.deadline import Deadline
from lambda_peering import handler
from lambda_peering.control_plane import Client, Clusters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blocks_cli.json_value import Json

EAST, OHIO, WEST = "us-east-1", "us-east-2", "us-west-2"
ACCOUNT = "123456789012"


class Killed(BaseException):
    """The process ends here: nothing may catch it."""


@dataclass
class ControlPlaneRecorder(ControlPlaneEndpoint):
    """`calls` are the calls in order; `before` and `after` are asked at each, by its number from 0."""

    plane: ControlPlane
    calls: list[str] = field(default_factory=list)
    before: Callable[[int, str], None] = lambda *_: None
    after: Callable[[int, str], None] = lambda *_: None

    def __post_init__(self) -> None:
        super().__init__(self.plane)
        self.arns: dict[str, str] = {}

    def perform(
        self, operation: str, region: str, identifier: str | None, request: dict[str, Json]
    ) -> dict[str, object]:
        """Do it, and write down what was asked and answered."""
        number = len(self.calls)
        asked = f"{region}  {operation}{self._spoken(request)}"
        self.calls.append(f"{asked} -> no answer")
        self.before(number, operation)
        try:
            answer = super().perform(operation, region, identifier, request)
        except ApiError as error:
            self.calls[number] = f"{asked} -> {error.status} {error.name}"
            raise
        self.calls[number] = f"{asked} -> {answer['status']}"
        self.after(number, operation)
        return answer

    def _spoken(self, request: dict[str, Json]) -> str:
        text = "".join(f" {name}={value}" for name, value in request.items() if name != "clientToken")
        for name, arn in self.arns.items():
            text = text.replace(arn, name)
        return text.replace("'", "")

    def clients(self, region: str) -> Client:
        """Return boto3's client for a Region that talks to this endpoint and never tries again by itself."""
        client = _client(region)
        client.meta.events.unregister("before-send.dsql", unique_id="laboratory")
        client.meta.events.register("before-send.dsql", self._redirect, unique_id="laboratory")
        found: Client = client
        return found

    def _redirect(self, request: object, **_: object) -> None:
        """Send the signed, serialized request here, whichever port this is."""
        url: str = request.url  # type: ignore[attr-defined]
        request.url = f"{self.url}/{url.split('/', 3)[3]}"  # type: ignore[attr-defined]

    def run(self, event: dict[str, object], seconds: float = 30.0) -> bytes:
        """Run the handler's work on an event, without CloudFormation."""
        return handler.run(Request.of(event, "peering"), Deadline.after(seconds), Clusters(self.clients))

    def status(self, arn: str) -> str:
        """Return the state of a cluster, without time passing."""
        place = ClusterId.parse(arn)
        known = self.plane.clusters.get((place.region, place.identifier))
        return known.status.value if known else "gone"


@functools.cache
def _client(region: str) -> Any:  # a client takes a tenth of a second to make
    return boto3.client(
        "dsql",
        region_name=region,
        endpoint_url="http://127.0.0.1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="not a secret",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=2),
    )


@contextmanager
def control_plane_recorder(
    calls_per_state: int = 1, *, protected: bool = False
) -> Iterator[ControlPlaneRecorder]:
    """Yield two clusters as the two stacks leave them: the peer knows its witness, the primary its peer."""
    recorder = ControlPlaneRecorder(ControlPlane(ACCOUNT, calls_per_state=calls_per_state))
    peer = Cluster(ClusterId(OHIO, "p" * 26, ACCOUNT), Status.PENDING_SETUP, 0.0, protected, WEST)
    recorder.plane.add(peer)
    primary = Cluster(
        ClusterId(EAST, "a" * 26, ACCOUNT), Status.CREATING, 0.0, protected, WEST, frozenset({peer.arn})
    )
    recorder.plane.add(primary)
    recorder.arns = {"primary": primary.arn, "peer": peer.arn}
    try:
        yield recorder
    finally:
        recorder.close()


class Pair(Protocol):
    """Two clusters of a control plane."""

    @property
    def arns(self) -> Mapping[str, str]:
        """ARNs by the names `primary` and `peer`."""


def event(
    recorder: Pair, kind: str = "Create", on_delete: str = "DELETE", **more: object
) -> dict[str, object]:
    """Return CloudFormation's event."""
    properties = {
        "Database": "main",
        "PrimaryCluster": recorder.arns["primary"],
        "PeerCluster": recorder.arns["peer"],
        "WitnessRegion": WEST,
        "OnDelete": on_delete,
    }
    return {
        "RequestType": kind,
        "ResponseURL": "http://localhost/unused",
        "StackId": f"arn:aws:cloudformation:{EAST}:{ACCOUNT}:stack/Primary/1",
        "RequestId": f"request-{kind}",
        "LogicalResourceId": "mainPeering",
        "ResourceProperties": properties | more,
    }
