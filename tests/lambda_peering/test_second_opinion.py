"""The calls of the peering function against moto: a control plane that others wrote, from the same API model.

moto has neither the states of a peered cluster nor the permissions; `blocks_cli/control_plane/` has both. These tests
show that another implementation understands the requests, and that the steps end there too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from custom_resource.cloudformation import Request
from custom_resource.deadline import Deadline
from lambda_peering import handler
from tests.support.control_plane_recorder import EAST, OHIO, WEST, event

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow


class Plane:
    """Two clusters of moto as the two stacks leave them."""

    def __init__(self) -> None:
        self.clients = {region: boto3.client("dsql", region_name=region) for region in (EAST, OHIO)}
        peer = self._create(OHIO)
        self.arns = {"primary": self._create(EAST, peer), "peer": peer}

    def _create(self, region: str, *peers: str) -> str:
        properties = {"witnessRegion": WEST} | ({"clusters": [*peers]} if peers else {})
        made = self.clients[region].create_cluster(
            deletionProtectionEnabled=False, multiRegionProperties=properties
        )
        return str(made["arn"])

    def cluster(self, name: str) -> Any:
        """Return what GetCluster answers."""
        arn = self.arns[name]
        return self.clients[arn.split(":")[3]].get_cluster(identifier=arn.rpartition("/")[2])

    def run(self, kind: str) -> bytes:
        """Run the work of the function on a request."""
        return handler.run(Request.of(event(self, kind), "peering"), Deadline.after(30))


@pytest.fixture
def plane(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Plane()


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_each_cluster_has_the_other_as_its_peer(plane: Plane, kind: str) -> None:
    plane.run(kind)
    for name, other in (("primary", "peer"), ("peer", "primary")):
        found = plane.cluster(name)
        assert found["status"] == "ACTIVE"
        assert found["multiRegionProperties"]["witnessRegion"] == WEST
        assert plane.arns[other] in found["multiRegionProperties"]["clusters"]


def test_delete_deletes_the_peer_and_leaves_the_primary_to_its_stack(plane: Plane) -> None:
    plane.run("Create")
    plane.run("Delete")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        plane.cluster("peer")
    assert plane.cluster("primary")["status"] == "ACTIVE"
