"""Conversion between a cluster of the control plane and the record of the deployment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from blocks_cli.control_plane.cluster import Cluster, ClusterId, Status
from blocks_cli.json_value import Json, mapping, sequence, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql import LocalCluster

STATUS, WITNESS, PEERS = "status", "witness", "peers"
"""Keys in `DeployedResource.local`."""

USABLE = {Status.ACTIVE, Status.IDLE, Status.INACTIVE}


def decode_cluster(arn: str, properties: Mapping[str, Json], local: Mapping[str, str]) -> Cluster:
    """Return the control plane's cluster for a deployed resource.

    Changes through the API, such as a peer, are in no template; they are kept, as CloudFormation keeps properties
    that a template does not set.
    """
    wanted = mapping(properties.get("MultiRegionProperties"))
    witness = text(wanted.get("WitnessRegion")) or None
    listed = [text(each) for each in sequence(wanted.get("Clusters"))]
    peers = frozenset(listed or json.loads(local.get(PEERS, "[]")))
    fresh = Status.PENDING_SETUP if witness else Status.ACTIVE
    return Cluster(
        id=ClusterId.parse(arn),
        status=Status(local[STATUS]) if STATUS in local else fresh,
        created=0.0,
        protected=properties.get("DeletionProtectionEnabled") is True,
        witness=witness,
        peers=peers - {arn},
    )


def encode_cluster(cluster: Cluster) -> dict[str, str]:
    """Return the state of a cluster for `DeployedResource.local`."""
    return {STATUS: cluster.status.value, PEERS: json.dumps(sorted(cluster.peers))}


def sync_endpoint(cluster: Cluster, endpoint: LocalCluster | None) -> None:
    """Refuse connections in the cluster's Region while the cluster is not usable."""
    if endpoint is not None:
        endpoint.set_available(cluster.id.region, available=cluster.status in USABLE)
