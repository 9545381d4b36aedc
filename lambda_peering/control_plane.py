"""Control plane calls in both Regions: read a cluster, set its peer, delete it.

Every failure is either a `TransientError`, which is retried, or a `PeeringError`. The errors are those of the API model
of `dsql` (botocore 1.44.5). New permissions of a role take effect with a delay (IAM user guide, "Troubleshoot IAM").
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
"""Seconds after the first AccessDeniedException of an operation for which it counts as transient."""

_TRANSIENT = frozenset({"ThrottlingException", "InternalServerException", "ConflictException"})

# One call must end within the margin before the invocation's end: it takes at most twice (3 + 5) seconds.
_CONNECT_TIMEOUT, _READ_TIMEOUT, _ATTEMPTS = 3, 5, 2


class Client(Protocol):
    """The part of boto3's client for `dsql` that is used here."""

    def get_cluster(self, **request: object) -> Mapping[str, object]:
        """Call GetCluster."""

    def update_cluster(self, **request: object) -> Mapping[str, object]:
        """Call UpdateCluster."""

    def delete_cluster(self, **request: object) -> Mapping[str, object]:
        """Call DeleteCluster."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Result of GetCluster; `peers` are the ARNs in its properties, without its own."""

    arn: str
    status: str
    protected: bool
    witness: str | None
    peers: frozenset[str]


class Clusters:
    """The clusters of two Regions, with a client for each."""

    def __init__(self, connect: Callable[[str], Client] | None = None) -> None:
        self._connect = connect or _client
        self._clients: dict[str, Client] = {}
        self._denied_since: dict[str, float] = {}

    def read(self, arn: str) -> Cluster | None:
        """Return the cluster, or None if it does not exist.

        Raises:
            TransientError: retry.
            PeeringError: the service refuses it.
        """
        from botocore.exceptions import ClientError

        try:
            with self._calling("GetCluster", arn) as client:
                return _cluster(arn, client.get_cluster(identifier=identifier_of(arn)))
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException":
                return None
            raise

    def set_peer(self, arn: str, pair: Pair, token: str) -> None:
        """Set both clusters and the witness in the properties of a cluster.

        Raises:
            TransientError: read the cluster again, then retry if needed.
            PeeringError: the service refuses it.
        """
        with self._calling("UpdateCluster", arn) as client:
            client.update_cluster(
                identifier=identifier_of(arn),
                multiRegionProperties={"witnessRegion": pair.witness, "clusters": pair.arns},
                clientToken=token,
            )

    def delete(self, arn: str, token: str) -> None:
        """Delete the cluster; a peered one stays until its peer is deleted.

        Raises:
            TransientError: read the cluster again, then retry if needed.
            PeeringError: the service refuses it.
        """
        with self._calling("DeleteCluster", arn) as client:
            client.delete_cluster(identifier=identifier_of(arn), clientToken=token)

    @contextmanager
    def _calling(self, operation: str, arn: str) -> Iterator[Client]:
        from botocore.exceptions import ClientError, HTTPClientError

        try:
            yield self._client_of(region_of(arn))
        except ClientError as error:
            if _code(error) == "ResourceNotFoundException" and operation == "GetCluster":
                raise
            raise self._classify(operation, arn, error) from error
        except HTTPClientError as error:
            raise TransientError(f"{operation} in {region_of(arn)}: {error}") from error

    def _client_of(self, region: str) -> Client:
        if region not in self._clients:
            self._clients[region] = self._connect(region)
        return self._clients[region]

    def _classify(self, operation: str, arn: str, error: Exception) -> Exception:
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
                "find the policy that denies it (a permissions boundary, a service control policy), "
                "or add the permission to `peering.role` of the database",
            )
        return PeeringError(
            f"{place} was refused for {arn}",
            str(error),
            "correct the cause and deploy again; completed steps are kept",
        )


def _client(region: str) -> Client:
    import boto3  # part of Lambda's Python runtime; slow to import, so only here
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    config = Config(connect_timeout=_CONNECT_TIMEOUT, read_timeout=_READ_TIMEOUT, retries=retries)
    client: Client = boto3.client("dsql", region_name=region, config=config)
    return client


def _cluster(arn: str, found: Mapping[str, object]) -> Cluster:
    properties = found.get("multiRegionProperties")
    configured = properties if isinstance(properties, dict) else {}
    return Cluster(
        arn=arn,
        status=str(found["status"]),
        protected=bool(found["deletionProtectionEnabled"]),
        witness=configured.get("witnessRegion"),
        peers=frozenset(configured.get("clusters") or ()) - {arn},
    )


def _code(error: Exception) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))
