"""Errors of the service: retried where that helps, else reported in three parts."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from blocks_cli.control_plane.cluster import ClusterId, Status
from blocks_cli.control_plane.errors import ApiError, conflict, denied, validation
from custom_resource.deadline import OutOfTime
from lambda_peering import control_plane
from lambda_peering.errors import PeeringError
from lambda_peering.pair import Pair
from tests.support.control_plane_recorder import (
    EAST,
    OHIO,
    ControlPlaneRecorder,
    control_plane_recorder,
    event,
)

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
def test_transient_errors_are_retried(error: ApiError, operation: str) -> None:
    with control_plane_recorder() as recorder:
        kind = "Delete" if operation == "DeleteCluster" else "Create"
        if kind == "Delete":
            recorder.run(event(recorder))
        failing = iter([True, True, False])

        def before(_: int, asked: str) -> None:
            if asked == operation and next(failing, False):
                raise error

        recorder.before = before
        recorder.run(event(recorder, kind))
        assert recorder.status(recorder.arns["peer"]) == ("PENDING_DELETE" if kind == "Delete" else "ACTIVE")


def stay(recorder: ControlPlaneRecorder, status: Status) -> None:
    """Keep the primary in a state."""
    recorder.plane.find(EAST, ClusterId.parse(recorder.arns["primary"]).identifier).set_states(status)


def remove(recorder: ControlPlaneRecorder, name: str) -> None:
    place = ClusterId.parse(recorder.arns[name])
    del recorder.plane.clusters[place.region, place.identifier]


def marry(recorder: ControlPlaneRecorder) -> None:
    """Let the peer name a cluster of an earlier deploy."""
    stranger = replace(ClusterId.parse(recorder.arns["primary"]), identifier="z" * 26).arn
    recorder.plane.find(OHIO, ClusterId.parse(recorder.arns["peer"]).identifier).peers = frozenset({stranger})


def witness(recorder: ControlPlaneRecorder, region: str | None) -> None:
    recorder.plane.find(OHIO, ClusterId.parse(recorder.arns["peer"]).identifier).witness = region


HOPELESS: dict[str, tuple[Callable[[ControlPlaneRecorder], None], str]] = {
    "primary is deleted": (lambda recorder: remove(recorder, "primary"), "there is no such cluster"),
    "peer is deleted": (lambda recorder: remove(recorder, "peer"), "there is no such cluster"),
    "primary is being deleted": (lambda recorder: stay(recorder, Status.DELETING), "it is DELETING"),
    "primary waits for deletion": (
        lambda recorder: stay(recorder, Status.PENDING_DELETE),
        "it is PENDING_DELETE",
    ),
    "primary failed": (lambda recorder: stay(recorder, Status.FAILED), "DSQL reports FAILED"),
    "peer is another's": (marry, "an earlier deploy left another one"),
    "no witness": (lambda recorder: witness(recorder, None), "created without a witness Region"),
    "another witness": (
        lambda recorder: witness(recorder, "us-east-9"),
        "both clusters must have the same witness",
    ),
}


@pytest.mark.parametrize(("arrange", "why"), HOPELESS.values(), ids=HOPELESS)
def test_clusters_that_cannot_be_peered_fail_at_once(
    arrange: Callable[[ControlPlaneRecorder], None], why: str
) -> None:
    with control_plane_recorder() as recorder:
        arrange(recorder)
        with pytest.raises(PeeringError) as problem:
            recorder.run(event(recorder))
        what, reason, remedy = problem.value.args
        assert why in reason
        assert any(arn in what for arn in recorder.arns.values())
        assert remedy
        assert all("GetCluster" in call for call in recorder.calls)


def test_a_missing_permission_is_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_plane, "GRACE", 0.0)
    with control_plane_recorder() as recorder:
        recorder.may = lambda _, action, arn, __: action != "dsql:PutWitnessRegion"
        with pytest.raises(PeeringError, match="not authorized to perform: dsql:PutWitnessRegion") as problem:
            recorder.run(event(recorder))
    assert "peering.role" in problem.value.args[2]


def test_every_operation_has_its_own_grace_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was late says nothing about the next one, which is asked for longer than that afterwards."""
    monkeypatch.setattr(control_plane, "GRACE", 0.2)
    late = {"GetCluster", "UpdateCluster"}

    def before(_: int, asked: str) -> None:
        if asked in late:
            late.remove(asked)
            time.sleep(0.25 if asked == "UpdateCluster" else 0)
            raise PASSING["permission on its way"]

    with control_plane_recorder() as recorder:
        recorder.before = before
        recorder.run(event(recorder))
        assert recorder.status(recorder.arns["peer"]) == "ACTIVE"


def test_a_refused_request_is_reported_in_the_words_of_the_service() -> None:
    with control_plane_recorder() as recorder:

        def before(_: int, operation: str) -> None:
            if operation == "UpdateCluster":
                raise validation("the witness is in another Region set")

        recorder.before = before
        with pytest.raises(PeeringError, match="the witness is in another Region set"):
            recorder.run(event(recorder))


@pytest.mark.parametrize("protected", ["primary", "peer"])
def test_nothing_is_deleted_while_one_is_protected(protected: str) -> None:
    with control_plane_recorder() as recorder:
        recorder.run(event(recorder))
        place = ClusterId.parse(recorder.arns[protected])
        recorder.plane.find(place.region, place.identifier).protected = True
        with pytest.raises(PeeringError, match="nothing was deleted"):
            recorder.run(event(recorder, "Delete"))
        assert {recorder.status(arn) for arn in recorder.arns.values()} == {"ACTIVE"}


def test_deleting_again_does_nothing() -> None:
    with control_plane_recorder() as recorder:
        recorder.run(event(recorder))
        remove(recorder, "peer")
        answer = json.loads(recorder.run(event(recorder, "Delete")))
        assert (answer["Status"], answer["Reason"]) == ("SUCCESS", f"{recorder.arns['peer']} is gone")


def test_out_of_time_has_the_current_state() -> None:
    with control_plane_recorder(calls_per_state=10**6) as recorder:
        with pytest.raises(OutOfTime, match=r"cluster/a+ is CREATING"):
            recorder.run(event(recorder), seconds=0.3)


def test_nothing_is_called_after_the_deadline() -> None:
    """Three calls that take as long as they may would outlast what an invocation keeps for its end."""
    with control_plane_recorder() as recorder:
        recorder.before = lambda _, operation: time.sleep(0.4)
        with pytest.raises(OutOfTime):
            recorder.run(event(recorder), seconds=0.3)
        assert len(recorder.calls) == 1


def test_properties_of_another_release_are_refused() -> None:
    with pytest.raises(PeeringError, match="no property PeerCluster"):
        Pair.of({"PrimaryCluster": "arn"})
