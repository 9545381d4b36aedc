"""Calls of peering and deletion, kept as text files; a changed call is a changed file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from blocks_cli.control_plane.cluster import ClusterId, Status
from tests.support.control_plane_recorder import (
    EAST,
    OHIO,
    WEST,
    ControlPlaneRecorder,
    control_plane_recorder,
    event,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from syrupy.assertion import SnapshotAssertion


class TextFile(SingleFileSnapshotExtension):
    """One readable file for each sequence."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def first_deploy(recorder: ControlPlaneRecorder) -> None:
    recorder.run(event(recorder))


def second_deploy(recorder: ControlPlaneRecorder) -> None:
    recorder.run(event(recorder))
    recorder.calls.append("-- deployed again --")
    recorder.run(event(recorder, "Update"))


def idle(recorder: ControlPlaneRecorder) -> None:
    recorder.run(event(recorder))
    for cluster, status in zip(recorder.plane.clusters.values(), (Status.IDLE, Status.INACTIVE), strict=True):
        cluster.status = status
    recorder.calls.append("-- unused for a while --")
    recorder.run(event(recorder, "Update"))


def destroyed(recorder: ControlPlaneRecorder) -> None:
    """The order of `cdk destroy --all`: the primary's stack, then the peer's."""
    recorder.run(event(recorder))
    recorder.calls.append("-- the primary's stack is deleted: first the peering --")
    recorder.run(event(recorder, "Delete"))
    recorder.calls.append("-- then its cluster, by CloudFormation --")
    recorder.perform("DeleteCluster", EAST, ClusterId.parse(recorder.arns["primary"]).identifier, {})
    while recorder.status(recorder.arns["primary"]) != "gone":
        recorder.plane.get(EAST, ClusterId.parse(recorder.arns["primary"]).identifier)
    recorder.calls.append("-- the peer's stack finds nothing left to delete --")
    assert recorder.status(recorder.arns["peer"]) == "gone"


def retained(recorder: ControlPlaneRecorder) -> None:
    recorder.run(event(recorder))
    recorder.calls.append("-- both are retained: deleting the stacks calls nothing --")
    recorder.run(event(recorder, "Delete", on_delete="RETAIN"))
    assert {recorder.status(arn) for arn in recorder.arns.values()} == {"ACTIVE"}


def rolled_back_before_peering(recorder: ControlPlaneRecorder) -> None:
    """The peer is not peered with the primary yet, so it is kept for the next deploy."""
    recorder.run(event(recorder, "Delete"))
    assert recorder.status(recorder.arns["peer"]) == "PENDING_SETUP"


def primary_lost_its_peer(recorder: ControlPlaneRecorder) -> None:
    """The peer was removed from the primary by hand."""
    primary = recorder.plane.find(EAST, ClusterId.parse(recorder.arns["primary"]).identifier)
    primary.peers = frozenset()
    recorder.run(event(recorder))


@pytest.mark.parametrize(
    "story",
    [
        first_deploy,
        second_deploy,
        idle,
        destroyed,
        retained,
        rolled_back_before_peering,
        primary_lost_its_peer,
    ],
    ids=lambda story: story.__name__,
)
def test_the_sequence_of_calls(
    story: Callable[[ControlPlaneRecorder], None], snapshot: SnapshotAssertion
) -> None:
    with control_plane_recorder() as recorder:
        story(recorder)
        assert not any(WEST in call.split()[0] for call in recorder.calls)
        assert {call.split()[0] for call in recorder.calls if not call.startswith("--")} == {EAST, OHIO}
        assert "\n".join(recorder.calls) + "\n" == snapshot(extension_class=TextFile)
