"""The control planes of both Regions: read a cluster, let it name its peer, delete it.

Every failure becomes one of two things: `TransientError`, to be looked at again, or a `PeeringError`. The errors are
those of the API model of `dsql` (botocore 1.44.5). A role's fresh permissions take a while to be known
everywhere (IAM user guide, "Troubleshoot IAM").
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .errors import PeeringError, TransientError
from .pair import identifier_of, region_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .pair import Pair

GRACE = 60.0
"""Seconds for which a refused permission may still be on its way, from an operation's first refusal on."""

_TRANSIENT = frozenset({"ThrottlingException", "InternalServerException", "ConflictException"})

# One call must end within the margin before the invocation's end: it takes at most twice (3 + 5) seconds.
_CONNECT_TIMEOUT, _READ_TIMEOUT, _ATTEMPTS = 3, 5, 2


class Client(Protocol):
    """What is used of boto3's client for `dsql`."""

    def get_cluster(self, **request: object) -> Mapping[str, object]:
        """Call GetCluster."""

    def update_cluster(self, **request: object) -> Mapping[str, object]:
        """Call UpdateCluster."""

    def delete_cluster(self, **request: object) -> Mapping[str, object]:
        """Call DeleteCluster."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What GetCluster says of one cluster; `peers` are the ARNs it names, its own left out."""

    arn: str
    status: str
    protected: bool
    witness: str | None
    peers: frozenset[str]


class Clusters:
    """The clusters of two Regions, reached through a client for each."""

    def __init__(self, connect: Callable[[str], Client] | None = None) -> None:
        self._connect = connect or _client
        self._clients: dict[str, Client] = {}
        self._denied_since: dict[str, float] = {}

    def read(self, arn: str) -> Cluster | None:
        """Return what there is, or None where there is no such cluster (any more).

        Raises:
            Unsettled: ask again in a moment.
            PeeringError: it cannot be asked.
        """
        from botocore.exceptions import ClientError

        try:
            with self._asking("GetCluster", arn) as client:
                return _cluster(arn, client.get_cluster(identifier=identifier_of(arn)))
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return None
            raise

    def join(self, arn: str, pair: Pair, token: str) -> None:
        """Let the cluster name both of the pair and the witness.

        Raises:
            Unsettled: look again, then perhaps try again.
            PeeringError: the service refuses it.
        """
        with self._asking("UpdateCluster", arn) as client:
            client.update_cluster(
                identifier=identifier_of(arn),
                multiRegionProperties={"witnessRegion": pair.witness, "clusters": pair.arns},
                clientToken=token,
            )

    def delete(self, arn: str, token: str) -> None:
        """Delete the cluster; a peered one waits for its peer's deletion.

        Raises:
            Unsettled: look again, then perhaps try again.
            PeeringError: the service refuses it.
        """
        with self._asking("DeleteCluster", arn) as client:
            client.delete_cluster(identifier=identifier_of(arn), clientToken=token)

    @contextmanager
    def _asking(self, operation: str, arn: str) -> Iterator[Client]:
        from botocore.exceptions import ClientError, HTTPClientError

        try:
            yield self._client_of(region_of(arn))
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException" and operation == "GetCluster":
                raise
            raise self._judge(operation, arn, error) from error
        except HTTPClientError as error:
            raise TransientError(f"{operation} in {region_of(arn)}: {error}") from error

    def _client_of(self, region: str) -> Client:
        if region not in self._clients:
            self._clients[region] = self._connect(region)
        return self._clients[region]

    def _judge(self, operation: str, arn: str, error: Exception) -> Exception:
        place = f"{operation} in {region_of(arn)}"
        code = _code(error)
        if code in _TRANSIENT or code == "ResourceNotFoundException":
            return TransientError(f"{place}: {error}")
        if code == "AccessDeniedException":
            now = time.monotonic()
            if now - self._denied_since.setdefault(place, now) < GRACE:
                return TransientError(f"{place}: {error}")
            return PeeringError(
                f"{place} is not allowed",
                str(error),
                "see which policy denies it (a permissions boundary, a service control policy), "
                "or add what is lacking to `peering.role` of the database",
            )
        return PeeringError(
            f"{place} was refused for {arn}",
            str(error),
            "correct the cause and deploy again; what is done so far stays",
        )


def _client(region: str) -> Client:
    import boto3  # part of Lambda's own Python, and heavy, so only here
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    config = Config(connect_timeout=_CONNECT_TIMEOUT, read_timeout=_READ_TIMEOUT, retries=retries)
    client: Client = boto3.client("dsql", region_name=region, config=config)
    return client


def _cluster(arn: str, answer: Mapping[str, object]) -> Cluster:
    properties = answer.get("multiRegionProperties")
    configured = properties if isinstance(properties, dict) else {}
    return Cluster(
        arn=arn,
        status=str(answer["status"]),
        protected=bool(answer["deletionProtectionEnabled"]),
        witness=configured.get("witnessRegion"),
        peers=frozenset(configured.get("clusters") or ()) - {arn},
    )


def _code(error: Exception) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
