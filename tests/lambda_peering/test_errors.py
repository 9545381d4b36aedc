"""What the service refuses: tried again where that helps, told in three parts where it does not."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from blocks_cli.control_plane.cluster import ClusterId, Status
from blocks_cli.control_plane.errors import ApiError, conflict, denied, validation
from custom_resource.deadline import OutOfTime
from lambda_peering import clusters
from lambda_peering.errors import PeeringProblem
from lambda_peering.pair import Pair
from tests.lambda_peering.laboratory import EAST, OHIO, Laboratory, event, laboratory

if TYPE_CHECKING:
    from collections.abc import Callable

THROTTLED = ApiError("ThrottlingException", 429, "Rate exceeded")
BROKEN = ApiError("InternalServerException", 500, "something went wrong")
PASSING = {
    "throttled": THROTTLED,
    "broken": BROKEN,
    "in transition": conflict("p" * 26, "Cluster is UPDATING"),
    "permission on its way": denied("dsql:AddPeerCluster", "arn:aws:dsql:us-east-1:123456789012:cluster/x"),
}


@pytest.mark.parametrize("operation", ["GetCluster", "UpdateCluster", "DeleteCluster"])
@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_what_passes_is_tried_again(error: ApiError, operation: str) -> None:
    with laboratory() as lab:
        kind = "Delete" if operation == "DeleteCluster" else "Create"
        if kind == "Delete":
            lab.run(event(lab))
        failing = iter([True, True, False])

        def before(_: int, asked: str) -> None:
            if asked == operation and next(failing, False):
                raise error

        lab.before = before
        lab.run(event(lab, kind))
        assert lab.status(lab.arns["peer"]) == ("PENDING_DELETE" if kind == "Delete" else "ACTIVE")


def stay(lab: Laboratory, status: Status) -> None:
    """Keep the primary in a state."""
    lab.plane.find(EAST, ClusterId.parse(lab.arns["primary"]).identifier).set_states(status)


def remove(lab: Laboratory, name: str) -> None:
    place = ClusterId.parse(lab.arns[name])
    del lab.plane.clusters[place.region, place.identifier]


def marry(lab: Laboratory) -> None:
    """Let the peer name a cluster of an earlier deploy."""
    stranger = replace(ClusterId.parse(lab.arns["primary"]), identifier="z" * 26).arn
    lab.plane.find(OHIO, ClusterId.parse(lab.arns["peer"]).identifier).peers = frozenset({stranger})


def witness(lab: Laboratory, region: str | None) -> None:
    lab.plane.find(OHIO, ClusterId.parse(lab.arns["peer"]).identifier).witness = region


HOPELESS: dict[str, tuple[Callable[[Laboratory], None], str]] = {
    "primary is deleted": (lambda lab: remove(lab, "primary"), "there is no such cluster"),
    "peer is deleted": (lambda lab: remove(lab, "peer"), "there is no such cluster"),
    "primary is being deleted": (lambda lab: stay(lab, Status.DELETING), "it is DELETING"),
    "primary waits for deletion": (lambda lab: stay(lab, Status.PENDING_DELETE), "it is PENDING_DELETE"),
    "primary failed": (lambda lab: stay(lab, Status.FAILED), "DSQL reports FAILED"),
    "peer is another's": (marry, "an earlier deploy left another one behind"),
    "no witness": (lambda lab: witness(lab, None), "created without a witness Region"),
    "another witness": (lambda lab: witness(lab, "us-east-9"), "both clusters must have the same witness"),
}


@pytest.mark.parametrize(("arrange", "why"), HOPELESS.values(), ids=HOPELESS)
def test_what_cannot_be_peered_is_told_at_once(arrange: Callable[[Laboratory], None], why: str) -> None:
    with laboratory() as lab:
        arrange(lab)
        with pytest.raises(PeeringProblem) as problem:
            lab.run(event(lab))
        what, reason, remedy = problem.value.args
        assert why in reason
        assert any(arn in what for arn in lab.arns.values())
        assert remedy
        assert all("GetCluster" in call for call in lab.calls)


def test_a_permission_that_does_not_come_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "GRACE", 0.0)
    with laboratory() as lab:
        lab.may = lambda _, action, arn, __: action != "dsql:PutWitnessRegion"
        with pytest.raises(
            PeeringProblem, match="not authorized to perform: dsql:PutWitnessRegion"
        ) as problem:
            lab.run(event(lab))
    assert "peering.role" in problem.value.args[2]


def test_every_permission_has_its_own_time_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was late says nothing about the next one, which is asked for longer than that afterwards."""
    monkeypatch.setattr(clusters, "GRACE", 0.2)
    late = {"GetCluster", "UpdateCluster"}

    def before(_: int, asked: str) -> None:
        if asked in late:
            late.remove(asked)
            time.sleep(0.25 if asked == "UpdateCluster" else 0)
            raise PASSING["permission on its way"]

    with laboratory() as lab:
        lab.before = before
        lab.run(event(lab))
        assert lab.status(lab.arns["peer"]) == "ACTIVE"


def test_a_senseless_request_is_told_in_the_words_of_the_service() -> None:
    with laboratory() as lab:

        def before(_: int, operation: str) -> None:
            if operation == "UpdateCluster":
                raise validation("the witness is in another Region set")

        lab.before = before
        with pytest.raises(PeeringProblem, match="the witness is in another Region set"):
            lab.run(event(lab))


@pytest.mark.parametrize("protected", ["primary", "peer"])
def test_nothing_is_deleted_while_one_is_protected(protected: str) -> None:
    with laboratory() as lab:
        lab.run(event(lab))
        place = ClusterId.parse(lab.arns[protected])
        lab.plane.find(place.region, place.identifier).protected = True
        with pytest.raises(PeeringProblem, match="nothing was deleted"):
            lab.run(event(lab, "Delete"))
        assert {lab.status(arn) for arn in lab.arns.values()} == {"ACTIVE"}


def test_deleting_again_finds_nothing_to_do() -> None:
    with laboratory() as lab:
        lab.run(event(lab))
        remove(lab, "peer")
        answer = json.loads(lab.run(event(lab, "Delete")))
        assert (answer["Status"], answer["Reason"]) == ("SUCCESS", f"{lab.arns['peer']} is gone")


def test_out_of_time_says_how_things_stand() -> None:
    with laboratory(calls_per_state=10**6) as lab:
        with pytest.raises(OutOfTime, match=r"cluster/a+ is CREATING"):
            lab.run(event(lab), seconds=0.3)


def test_nothing_is_called_once_time_is_up() -> None:
    """Three calls that take as long as they may would outlast what an invocation keeps for its end."""
    with laboratory() as lab:
        lab.before = lambda _, operation: time.sleep(0.4)
        with pytest.raises(OutOfTime):
            lab.run(event(lab), seconds=0.3)
        assert len(lab.calls) == 1


def test_properties_of_another_release_are_told() -> None:
    with pytest.raises(PeeringProblem, match="no property PeerCluster"):
        Pair.of({"PrimaryCluster": "arn"})
