"""The control plane through boto3: requests, responses, and sequences of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from blocks_cli.control_plane.authorization import required_permissions
from blocks_cli.control_plane.cluster import ClusterId, Status
from blocks_cli.control_plane.endpoint import ControlPlaneEndpoint
from blocks_cli.control_plane.states import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator

EAST, OHIO, WEST = "us-east-1", "us-east-2", "us-west-2"
ACCOUNT = "123456789012"
NOBODY = "z" * 26


class Api:
    """A boto3 client for each Region."""

    def __init__(self, endpoint: ControlPlaneEndpoint) -> None:
        self.endpoint = endpoint
        self.clients: dict[str, Any] = {region: _client(region, endpoint.url) for region in (EAST, OHIO)}

    def create(self, region: str, **request: Any) -> str:
        """Create a cluster that is not protected, and return its ARN."""
        request = {"deletionProtectionEnabled": False} | request
        arn: str = self.clients[region].create_cluster(**request)["arn"]
        return arn

    def pair(self) -> tuple[str, str]:
        """Create two clusters that name each other."""
        peer = self.create(OHIO, multiRegionProperties={"witnessRegion": WEST})
        both = {"witnessRegion": WEST, "clusters": [peer]}
        primary = self.create(EAST, multiRegionProperties=both)
        self.history(peer, 3)  # a cluster in the state CREATING cannot be updated
        self.call(
            "update_cluster", peer, multiRegionProperties={"witnessRegion": WEST, "clusters": [primary]}
        )
        return primary, peer

    def call(self, method: str, arn: str, **request: Any) -> dict[str, Any]:
        place = ClusterId.parse(arn)
        answer: dict[str, Any] = getattr(self.clients[place.region], method)(
            identifier=place.identifier, **request
        )
        return answer

    def status(self, arn: str) -> str:
        try:
            return str(self.call("get_cluster", arn)["status"])
        except ClientError as error:
            return str(error.response["Error"]["Code"])

    def history(self, arn: str, looks: int) -> list[str]:
        """Return the sequence of states in `looks` calls of GetCluster."""
        seen = [self.status(arn) for _ in range(looks)]
        return [state for at, state in enumerate(seen) if at == 0 or seen[at - 1] != state]


def _client(region: str, url: str) -> object:
    return boto3.client(
        "dsql",
        region_name=region,
        endpoint_url=url,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="not a secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    endpoint = ControlPlaneEndpoint(ControlPlane(ACCOUNT, calls_per_state=getattr(request, "param", 1)))
    yield Api(endpoint)
    endpoint.close()


slowly = pytest.mark.parametrize("api", [2], indirect=True)


@slowly
def test_a_single_cluster_becomes_active(api: Api) -> None:
    assert api.history(api.create(EAST), 4) == ["CREATING", "ACTIVE"]


@slowly
def test_a_cluster_with_a_witness_waits_for_its_peer(api: Api) -> None:
    arn = api.create(OHIO, multiRegionProperties={"witnessRegion": WEST})
    assert api.history(arn, 9) == ["CREATING", "PENDING_SETUP"]
    assert api.call("get_cluster", arn)["multiRegionProperties"] == {"witnessRegion": WEST, "clusters": []}


@slowly
def test_two_that_name_each_other_are_set_up(api: Api) -> None:
    peer = api.create(OHIO, multiRegionProperties={"witnessRegion": WEST})
    primary = api.create(EAST, multiRegionProperties={"witnessRegion": WEST, "clusters": [peer]})
    assert api.history(primary, 6) == ["CREATING", "PENDING_SETUP"]
    api.call(
        "update_cluster", peer, multiRegionProperties={"witnessRegion": WEST, "clusters": [primary, peer]}
    )
    assert api.history(peer, 8) == ["PENDING_SETUP", "CREATING", "ACTIVE"]
    for arn in (primary, peer):
        found = api.call("get_cluster", arn)
        assert found["status"] == "ACTIVE"
        assert set(found["multiRegionProperties"]["clusters"]) == {primary, peer}


@pytest.mark.parametrize("first", [0, 1])
def test_peers_are_deleted_together(api: Api, first: int) -> None:
    pair = api.pair()
    for arn in pair:
        api.history(arn, 4)
    one, other = pair[first], pair[1 - first]
    assert api.call("delete_cluster", one)["status"] == "PENDING_DELETE"
    assert api.history(one, 5) == ["PENDING_DELETE"]
    assert api.status(other) == "ACTIVE"
    assert api.call("delete_cluster", other)["status"] == "DELETING"
    assert api.history(one, 4) == ["DELETING", "ResourceNotFoundException"]
    assert api.status(other) == "ResourceNotFoundException"


def test_a_cluster_without_a_peer_is_deleted_alone(api: Api) -> None:
    arn = api.create(OHIO, multiRegionProperties={"witnessRegion": WEST})
    api.history(arn, 3)
    assert api.call("delete_cluster", arn)["status"] == "DELETING"
    assert api.history(arn, 3) == ["DELETING", "ResourceNotFoundException"]


@slowly
def test_protection_is_an_update_and_keeps_from_deletion(api: Api) -> None:
    arn = api.create(EAST)
    api.history(arn, 4)
    api.call("update_cluster", arn, deletionProtectionEnabled=True)
    assert api.history(arn, 4) == ["UPDATING", "ACTIVE"]
    with pytest.raises(ClientError) as refused:
        api.call("delete_cluster", arn)
    assert refused.value.response["reason"] == "deletionProtectionEnabled"


def test_a_request_that_is_sent_twice_is_carried_out_once(api: Api) -> None:
    peer = api.create(OHIO, multiRegionProperties={"witnessRegion": WEST})
    primary = api.create(EAST, multiRegionProperties={"witnessRegion": WEST, "clusters": [peer]})
    api.history(peer, 4)
    wanted = {"witnessRegion": WEST, "clusters": [primary]}
    first = api.call("update_cluster", peer, multiRegionProperties=wanted, clientToken="once")
    api.history(peer, 1)
    assert api.status(peer) == "CREATING"
    again = api.call("update_cluster", peer, multiRegionProperties=wanted, clientToken="once")
    assert again["status"] == first["status"]


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "witness in its own Region": ({"witnessRegion": EAST}, "ValidationException"),
    "no witness": ({"clusters": []}, "ValidationException"),
    "peer in its own Region": (
        {"witnessRegion": WEST, "clusters": [ClusterId(EAST, NOBODY, ACCOUNT).arn]},
        "ValidationException",
    ),
    "peer in the witness Region": (
        {"witnessRegion": WEST, "clusters": [ClusterId(WEST, NOBODY, ACCOUNT).arn]},
        "ValidationException",
    ),
    "two peers": (
        {
            "witnessRegion": WEST,
            "clusters": [ClusterId(OHIO, NOBODY, ACCOUNT).arn, ClusterId("eu-west-1", NOBODY, ACCOUNT).arn],
        },
        "ValidationException",
    ),
    "a peer that does not exist": (
        {"witnessRegion": WEST, "clusters": [ClusterId(OHIO, NOBODY, ACCOUNT).arn]},
        "ResourceNotFoundException",
    ),
    "no ARN": ({"witnessRegion": WEST, "clusters": ["arn:aws:dsql"]}, "ValidationException"),
}


@pytest.mark.parametrize(("properties", "code"), REFUSALS.values(), ids=REFUSALS)
def test_invalid_requests_are_refused(api: Api, properties: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        api.create(EAST, multiRegionProperties=properties)
    assert refused.value.response["Error"]["Code"] == code
    assert not api.endpoint.plane.clusters


def test_a_single_region_cluster_cannot_become_multi_region(api: Api) -> None:
    arn = api.create(EAST)
    api.history(arn, 3)
    with pytest.raises(ClientError, match="cannot become a multi-Region cluster"):
        api.call("update_cluster", arn, multiRegionProperties={"witnessRegion": WEST})


def test_a_third_cluster_cannot_join(api: Api) -> None:
    primary, _ = api.pair()
    with pytest.raises(ClientError, match="has another peer") as refused:
        api.create(OHIO, multiRegionProperties={"witnessRegion": WEST, "clusters": [primary]})
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


@pytest.mark.parametrize("status", [Status.CREATING, Status.UPDATING, Status.DELETING, Status.FAILED])
def test_a_cluster_in_another_state_is_not_updated(api: Api, status: Status) -> None:
    arn = api.create(EAST)
    place = ClusterId.parse(arn)
    api.endpoint.plane.find(place.region, place.identifier).set_states(status)
    with pytest.raises(ClientError) as refused:
        api.call("update_cluster", arn, deletionProtectionEnabled=True)
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    assert refused.value.response["resourceId"] == place.identifier


def test_a_missing_permission_is_reported_with_its_resource(api: Api) -> None:
    arn = api.create(EAST)
    api.endpoint.may = lambda _, action, __, ___: action != "dsql:GetCluster"
    with pytest.raises(ClientError, match=f"perform: dsql:GetCluster on resource: {arn}") as refused:
        api.call("get_cluster", arn)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_an_unknown_operation_is_refused(api: Api) -> None:
    with pytest.raises(ClientError) as refused:
        api.clients[EAST].list_clusters()
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_removing_a_peer_needs_a_permission() -> None:
    place, old, new = (ClusterId(OHIO, letter * 26, ACCOUNT) for letter in "abc")
    request: dict[str, Any] = {"multiRegionProperties": {"clusters": [new.arn]}}
    needed = set(required_permissions("UpdateCluster", place, frozenset({old.arn}), request))
    assert {(action, arn) for action, arn in needed if "Peer" in action} == {
        ("dsql:AddPeerCluster", place.arn),
        ("dsql:AddPeerCluster", new.arn),
        ("dsql:RemovePeerCluster", old.arn),
    }
