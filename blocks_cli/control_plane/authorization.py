"""Which permissions a call needs, on which resources; from the API model's own text on required permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_cli.control_plane.cluster import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blocks_cli.json_value import Json

Need = tuple[str, str]
"""An action and the ARN it is checked on."""


def needs(
    operation: str, place: Place, current: frozenset[str], request: Mapping[str, Json]
) -> Iterator[Need]:
    """Yield what `operation` on the cluster at `place` is checked for; `current` are the peers it has now."""
    yield f"dsql:{operation}", place.arn
    wanted = request.get("multiRegionProperties")
    if operation != "UpdateCluster" or not isinstance(wanted, dict):
        return
    yield "dsql:GetCluster", place.arn
    yield "dsql:PutMultiRegionProperties", place.arn
    witness = wanted.get("witnessRegion")
    if isinstance(witness, str):
        # Checked in the cluster's Region and in the witness Region, says the model, on the cluster.
        yield "dsql:PutWitnessRegion", place.arn
        yield "dsql:PutWitnessRegion", Place(witness, place.identifier, place.account, place.partition).arn
    clusters = wanted.get("clusters")
    if not isinstance(clusters, list):
        return
    listed = {str(arn) for arn in clusters}
    for arn in sorted({place.arn, *listed}):
        yield "dsql:AddPeerCluster", arn
    for arn in sorted(current - listed):
        yield "dsql:RemovePeerCluster", arn
