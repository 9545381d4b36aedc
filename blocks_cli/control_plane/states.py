"""State machine of clusters: operations allowed in each state, and the transitions of a cluster and its peer.

A cluster with a witness stays in PENDING_SETUP until it and its peer name each other; then both are set up. A deleted
peered cluster stays in PENDING_DELETE until its peer is deleted too. Sources: DSQL user guide, "Configuring
multi-Region clusters"; AWS's samples that create and delete them.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from blocks_cli.control_plane.cluster import BEING_DELETED, IN_TRANSITION, Cluster, ClusterId, Status
from blocks_cli.control_plane.errors import conflict, not_found, validation
from local_dsql.access import LOCAL_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blocks_cli.json_value import Json

_LETTERS = string.ascii_lowercase + string.digits


class ControlPlane:
    """The clusters of one account in all Regions.

    A transient state lasts for `calls_per_state` calls of GetCluster; with 0, transitions are immediate. `changed` is
    called for each cluster whose state or peers have changed.
    """

    def __init__(
        self,
        account: str = LOCAL_ACCOUNT,
        *,
        calls_per_state: int = 0,
        changed: Callable[[Cluster], None] = lambda _: None,
    ) -> None:
        self.account = account
        self._changed = changed
        self.clusters: dict[tuple[str, str], Cluster] = {}
        self._calls_per_state = calls_per_state
        self._lock = threading.RLock()
        self._responses: dict[str, dict[str, object]] = {}

    def create(self, region: str, request: Mapping[str, Json]) -> dict[str, object]:
        """Carry out CreateCluster.

        Raises:
            ApiError: the request is invalid.
        """
        with self._notifying():
            id = ClusterId(region, "".join(secrets.choice(_LETTERS) for _ in range(26)), self.account)
            cluster = Cluster(id, Status.CREATING, time.time())
            # The API model has no default; the CLI examples in the user guide show true.
            cluster.protected = bool(request.get("deletionProtectionEnabled", True))
            self._configure(cluster, _multi_region(request), new=True)
            self.add(cluster)
            return cluster.description()

    def add(self, cluster: Cluster) -> None:
        """Add a cluster that is being created, or was created elsewhere."""
        with self._notifying():
            self.clusters[cluster.id.region, cluster.id.identifier] = cluster
            if cluster.status is Status.CREATING:
                self._transition(
                    cluster, Status.CREATING, Status.PENDING_SETUP if cluster.witness else Status.ACTIVE
                )
            self._set_up(cluster)

    def get(self, region: str, identifier: str) -> dict[str, object]:
        """Carry out GetCluster.

        Raises:
            ApiError: the cluster does not exist.
        """
        with self._notifying():
            described = self.find(region, identifier).description()
            for cluster in [*self.clusters.values()]:
                cluster.advance()
                if cluster.status is Status.DELETED:
                    del self.clusters[cluster.id.region, cluster.id.identifier]
                self._set_up(cluster)
            return described

    def update(self, region: str, identifier: str, request: Mapping[str, Json]) -> dict[str, object]:
        """Carry out UpdateCluster.

        Raises:
            ApiError: the cluster does not exist, or its state or configuration does not allow the update.
        """
        with self._notifying():
            cluster = self.find(region, identifier)
            token = str(request.get("clientToken", ""))
            if token in self._responses:
                return self._responses[token]
            if cluster.status in IN_TRANSITION | BEING_DELETED | {Status.FAILED}:
                raise conflict(identifier, f"Cluster {identifier} is {cluster.status.value}")
            if "deletionProtectionEnabled" in request:
                cluster.protected = bool(request["deletionProtectionEnabled"])
                self._transition(cluster, Status.UPDATING, cluster.status)
            self._configure(cluster, _multi_region(request), new=False)
            self._set_up(cluster)
            if token:
                self._responses[token] = cluster.summary()
            return cluster.summary()

    def delete(self, region: str, identifier: str) -> dict[str, object]:
        """Carry out DeleteCluster.

        Raises:
            ApiError: the cluster does not exist, is protected, or cannot be deleted in its state.
        """
        with self._notifying():
            cluster = self.find(region, identifier)
            if cluster.protected:
                raise validation(
                    f"Cluster {identifier} has deletion protection enabled", "deletionProtectionEnabled"
                )
            if cluster.status in IN_TRANSITION:
                raise conflict(identifier, f"Cluster {identifier} is {cluster.status.value}")
            if cluster.status not in BEING_DELETED:
                self._start_deletion(cluster)
            return cluster.summary()

    def find(self, region: str, identifier: str) -> Cluster:
        """Return a cluster.

        Raises:
            ApiError: the cluster does not exist in the Region.
        """
        if (region, identifier) not in self.clusters:
            raise not_found(identifier)
        return self.clusters[region, identifier]

    def peer_of(self, cluster: Cluster) -> Cluster | None:
        """Return the cluster that names `cluster` and that `cluster` names."""
        return next((each for each in self._peers_of(cluster) if cluster.arn in each.peers), None)

    @contextmanager
    def _notifying(self) -> Iterator[None]:
        """Hold the lock for one operation, and report changed clusters at its end."""
        with self._lock:
            before = [(cluster, cluster.status, cluster.peers) for cluster in self.clusters.values()]
            yield
            for cluster, *known in before:
                if known != [cluster.status, cluster.peers]:
                    self._changed(cluster)

    def _peers_of(self, cluster: Cluster) -> Iterator[Cluster]:
        for arn in cluster.peers:
            id = ClusterId.parse(arn)
            if (id.region, id.identifier) in self.clusters:
                yield self.clusters[id.region, id.identifier]

    def _configure(self, cluster: Cluster, wanted: Mapping[str, Json] | None, *, new: bool) -> None:
        if wanted is None:
            return
        witness = wanted.get("witnessRegion") or cluster.witness
        listed = [str(arn) for arn in _listed(wanted)]
        peers = frozenset(listed) - {cluster.arn}
        if cluster.witness is None and not new:
            # A single-Region cluster cannot be changed (user guide); the message text is our own.
            raise validation("A single-Region cluster cannot become a multi-Region cluster")
        if not isinstance(witness, str):
            raise validation("multiRegionProperties needs a witnessRegion")
        self._check(cluster, witness, peers)
        cluster.witness = witness
        if "clusters" in wanted:
            cluster.peers = peers

    def _check(self, cluster: Cluster, witness: str, peers: frozenset[str]) -> None:
        regions = [cluster.id.region, witness, *(ClusterId.parse(arn).region for arn in peers)]
        if len(set(regions)) < len(regions):
            raise validation(f"Cluster, witness and peer must be in different Regions: {', '.join(regions)}")
        if len(peers) > 1:
            raise validation(f"A cluster has one peer, not {len(peers)}")
        for arn in peers:
            id = ClusterId.parse(arn)
            peer = self.find(id.region, id.identifier)
            if peer.peers - {cluster.arn}:
                raise conflict(id.identifier, f"Cluster {arn} has another peer")

    def _set_up(self, cluster: Cluster) -> None:
        """Start the setup of two clusters that name each other."""
        peer = self.peer_of(cluster)
        if peer is None or {cluster.status, peer.status} != {Status.PENDING_SETUP}:
            return
        for each in (cluster, peer):
            if not each.ahead:
                self._transition(each, Status.PENDING_SETUP, Status.CREATING, Status.ACTIVE)

    def _start_deletion(self, cluster: Cluster) -> None:
        peer = self.peer_of(cluster)
        if peer is None:
            self._transition(cluster, Status.DELETING, Status.DELETED)
        elif peer.status is not Status.PENDING_DELETE:
            cluster.set_states(Status.PENDING_DELETE)
        else:
            for each in (cluster, peer):
                self._transition(each, Status.DELETING, Status.DELETED)
        if cluster.status is Status.DELETED:
            for gone in [each for each in self.clusters.values() if each.status is Status.DELETED]:
                del self.clusters[gone.id.region, gone.id.identifier]

    def _transition(self, cluster: Cluster, *states: Status) -> None:
        """Set the sequence of states, with each but the last repeated for `calls_per_state`."""
        cluster.set_states(
            *(state for state in states[:-1] for _ in range(self._calls_per_state)), states[-1]
        )


def _multi_region(request: Mapping[str, Json]) -> Mapping[str, Json] | None:
    wanted = request.get("multiRegionProperties")
    return wanted if isinstance(wanted, dict) else None


def _listed(wanted: Mapping[str, Json]) -> list[Json]:
    listed = wanted.get("clusters")
    return listed if isinstance(listed, list) else []
