"""IAM permissions that each operation requires, from the API model's documentation of required permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.control_plane.cluster import ClusterId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blocks_cli.json_value import Json

RequiredPermission = tuple[str, str]
"""An action and the ARN of the resource."""


def required_permissions(
    operation: str, id: ClusterId, current: frozenset[str], request: Mapping[str, Json]
) -> Iterator[RequiredPermission]:
    """Yield the permissions that `operation` on the cluster `id` requires; `current` are the ARNs of its peers."""
    yield f"dsql:{operation}", id.arn
    wanted = request.get("multiRegionProperties")
    if operation != "UpdateCluster" or not isinstance(wanted, dict):
        return
    yield "dsql:GetCluster", id.arn
    yield "dsql:PutMultiRegionProperties", id.arn
    witness = wanted.get("witnessRegion")
    if isinstance(witness, str):
        # Checked on the cluster in its own Region and in the witness Region (API model).
        yield "dsql:PutWitnessRegion", id.arn
        yield "dsql:PutWitnessRegion", ClusterId(witness, id.identifier, id.account, id.partition).arn
    clusters = wanted.get("clusters")
    if not isinstance(clusters, list):
        return
    listed = {str(arn) for arn in clusters}
    for arn in sorted({id.arn, *listed}):
        yield "dsql:AddPeerCluster", arn
    for arn in sorted(current - listed):
        yield "dsql:RemovePeerCluster", arn
