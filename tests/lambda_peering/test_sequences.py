"""The calls of peering and parting, kept as files to read; a changed call is a changed file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from blocks_cli.control_plane.cluster import ClusterId, Status
from tests.lambda_peering.laboratory import EAST, OHIO, WEST, Laboratory, event, laboratory

if TYPE_CHECKING:
    from collections.abc import Callable

    from syrupy.assertion import SnapshotAssertion


class TextFile(SingleFileSnapshotExtension):
    """One readable file for each sequence."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def first_deploy(lab: Laboratory) -> None:
    lab.run(event(lab))


def second_deploy(lab: Laboratory) -> None:
    lab.run(event(lab))
    lab.calls.append("-- deployed again --")
    lab.run(event(lab, "Update"))


def idle(lab: Laboratory) -> None:
    lab.run(event(lab))
    for cluster, status in zip(lab.plane.clusters.values(), (Status.IDLE, Status.INACTIVE), strict=True):
        cluster.status = status
    lab.calls.append("-- nobody used it for a while --")
    lab.run(event(lab, "Update"))


def destroyed(lab: Laboratory) -> None:
    """The order of `cdk destroy --all`: the primary's stack, then the peer's."""
    lab.run(event(lab))
    lab.calls.append("-- the primary's stack is deleted: first the peering --")
    lab.run(event(lab, "Delete"))
    lab.calls.append("-- then its cluster, by CloudFormation --")
    lab.perform("DeleteCluster", EAST, ClusterId.parse(lab.arns["primary"]).identifier, {})
    while lab.status(lab.arns["primary"]) != "gone":
        lab.plane.get(EAST, ClusterId.parse(lab.arns["primary"]).identifier)
    lab.calls.append("-- the peer's stack finds nothing left to delete --")
    assert lab.status(lab.arns["peer"]) == "gone"


def retained(lab: Laboratory) -> None:
    lab.run(event(lab))
    lab.calls.append("-- both are retained: deleting the stacks calls nothing --")
    lab.run(event(lab, "Delete", on_delete="RETAIN"))
    assert {lab.status(arn) for arn in lab.arns.values()} == {"ACTIVE"}


def rolled_back_before_peering(lab: Laboratory) -> None:
    """The peer does not name the primary yet, so it stays for the next deploy."""
    lab.run(event(lab, "Delete"))
    assert lab.status(lab.arns["peer"]) == "PENDING_SETUP"


def primary_lost_its_peer(lab: Laboratory) -> None:
    """Somebody took the peer out of the primary by hand."""
    primary = lab.plane.find(EAST, ClusterId.parse(lab.arns["primary"]).identifier)
    primary.peers = frozenset()
    lab.run(event(lab))


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
def test_the_sequence_of_calls_is_as_reviewed(
    story: Callable[[Laboratory], None], snapshot: SnapshotAssertion
) -> None:
    with laboratory() as lab:
        story(lab)
        assert not any(WEST in call.split()[0] for call in lab.calls)
        assert {call.split()[0] for call in lab.calls if not call.startswith("--")} == {EAST, OHIO}
        assert "\n".join(lab.calls) + "\n" == snapshot(extension_class=TextFile)
