"""Decision of the next step from the state of both clusters, without any call."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import PeeringError
from .pair import identifier_of, region_of

if TYPE_CHECKING:
    from .control_plane import Cluster
    from .pair import Pair

USABLE = frozenset({"ACTIVE", "IDLE", "INACTIVE"})
"""States in which a cluster accepts connections; an idle or inactive one wakes at the first."""
LEAVING = frozenset({"PENDING_DELETE", "DELETING", "DELETED"})
_IN_TRANSITION = frozenset({"CREATING", "UPDATING"})


class Action(enum.Enum):
    """Kind of a step."""

    SET_PEER = "set peer"
    """Set the peer in the properties of the cluster."""
    DELETE = "delete"
    WAIT = "wait"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `arn` is the cluster it changes, `why` is the current state."""

    action: Action
    why: str
    arn: str = ""


def next_peer_step(pair: Pair, primary: Cluster | None, peer: Cluster | None) -> Step:
    """Return the next step until both clusters are usable as one database.

    Raises:
        PeeringError: they can never become one.
    """
    sides = _checked(pair, primary, peer)
    status = " and ".join(f"{each.arn} is {each.status}" for each in sides)
    for side, other in (sides, sides[::-1]):
        if other.arn not in side.peers:
            if side.status in _IN_TRANSITION:
                return Step(Action.WAIT, status)
            return Step(Action.SET_PEER, f"{side.arn} does not have the peer {other.arn}", side.arn)
    if all(each.status in USABLE for each in sides):
        return Step(Action.DONE, status)
    return Step(Action.WAIT, status)


def next_unpeer_step(pair: Pair, primary: Cluster | None, peer: Cluster | None) -> Step:
    """Return the next step until the peer no longer blocks the deletion of the primary.

    A peer that is not peered with the primary is left to its own stack.

    Raises:
        PeeringError: one of them is protected, so that one would be deleted and the other be stuck.
    """
    if not pair.deletes:
        return Step(Action.DONE, "both clusters are retained and stay peered")
    if peer is None or peer.status in LEAVING:
        return Step(Action.DONE, f"{pair.peer} is {'gone' if peer is None else peer.status}")
    if pair.primary not in peer.peers:
        return Step(
            Action.DONE, f"{pair.peer} is not peered with {pair.primary} and is left to its own stack"
        )
    for side in (primary, peer):
        if side is not None and side.protected:
            raise _protected(side)
    if peer.status in _IN_TRANSITION:
        return Step(Action.WAIT, f"{pair.peer} is {peer.status}")
    return Step(Action.DELETE, f"{pair.peer} blocks the deletion of {pair.primary}", pair.peer)


def _checked(pair: Pair, primary: Cluster | None, peer: Cluster | None) -> tuple[Cluster, Cluster]:
    """Return peer and primary, in the order in which their peers are set."""
    for arn, side in ((pair.primary, primary), (pair.peer, peer)):
        if side is None or side.status in LEAVING:
            raise _gone(arn, "there is no such cluster" if side is None else f"it is {side.status}")
    assert primary is not None and peer is not None
    for side, other in ((primary, peer), (peer, primary)):
        if side.status == "FAILED":
            raise PeeringError(
                f"the cluster {side.arn} has failed",
                "DSQL reports FAILED, which is final",
                "delete both stacks and deploy again; a backup can be restored into new clusters",
            )
        if side.witness != pair.witness:
            raise _other_witness(pair, side)
        if foreign_peers := side.peers - {other.arn}:
            raise _other_peer(side, sorted(foreign_peers)[0])
    return peer, primary


def _gone(arn: str, why: str) -> PeeringError:
    return PeeringError(
        f"the cluster {arn} cannot be peered",
        why,
        "destroy its stack if it still exists, then deploy all stacks again; "
        "see the page on multi-Region databases for how to clean up",
    )


def _other_witness(pair: Pair, side: Cluster) -> PeeringError:
    if side.witness is None:
        return PeeringError(
            f"the cluster {side.arn} cannot be peered",
            "it was created without a witness Region, and such a cluster cannot be peered later",
            "create a new database with multi_region from the start and copy the data",
        )
    return PeeringError(
        f"the cluster {side.arn} has its witness in {side.witness}, not in {pair.witness}",
        "both clusters must have the same witness",
        f"set witness_region={side.witness!r}, or deploy both stacks before the peering",
    )


def _other_peer(side: Cluster, foreign_peer: str) -> PeeringError:
    return PeeringError(
        f"the cluster {side.arn} is peered with {foreign_peer}",
        "a database has two clusters, and an earlier deploy left another one",
        f"if {foreign_peer} is an orphan of a failed deploy, delete both clusters: "
        f"`aws dsql update-cluster --no-deletion-protection-enabled` and `aws dsql delete-cluster`, "
        f"--identifier {identifier_of(foreign_peer)} --region {region_of(foreign_peer)} and "
        f"--identifier {identifier_of(side.arn)} --region {region_of(side.arn)}; then deploy again",
    )


def _protected(side: Cluster) -> PeeringError:
    return PeeringError(
        f"the cluster {side.arn} is protected from deletion",
        "one cluster of a pair cannot be deleted alone: the other one would stay in PENDING_DELETE",
        "nothing was deleted; disable the protection of both "
        f"(`aws dsql update-cluster --no-deletion-protection-enabled --identifier {identifier_of(side.arn)} "
        f"--region {region_of(side.arn)}`) and delete the stacks again",
    )
