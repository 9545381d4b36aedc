"""Sequences of CloudFormation's requests for grants, each handled by the function on a local cluster.

A step is `kind stack.resource id`, the grant that it asks for, the id that it must be answered with, and the mappings
afterwards. An id is `new` (a new one, then known under the name behind it), the name of one, or `-`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.support.grant_events import stacks

if TYPE_CHECKING:
    from tests.lambda_migrator.conftest import Deployment

pytestmark = pytest.mark.usefixtures("environment")

Step: TypeAlias = tuple[str, str, str, str]

CREATE: Step = ("Create Shop.Orders -", "rw a", "new G1", "rw a")
CHANGE: Step = ("Update Shop.Orders G1", "ro a", "new G2", "ro a, rw a")

SEQUENCES: dict[str, list[Step]] = {
    "change of access": [CREATE, CHANGE, ("Delete Shop.Orders G1", "rw a", "G1", "ro a")],
    "change, a later resource fails": [CREATE, CHANGE, ("Delete Shop.Orders G2", "ro a", "G2", "rw a")],
    "change, a later resource fails, rolled back by Update": [
        CREATE,
        CHANGE,
        ("Update Shop.Orders G2", "rw a", "new G3", "ro a, rw a"),
        ("Delete Shop.Orders G2", "ro a", "G2", "rw a"),
        ("Delete Shop.Orders G1", "rw a", "G1", "rw a"),
    ],
    "rolled back by Update, and the first id is forgotten": [
        CREATE,
        CHANGE,
        ("Update Shop.Orders G2", "rw a", "new G3", "ro a, rw a"),
        ("Delete Shop.Orders G2", "ro a", "G2", "rw a"),
        ("Update Shop.Orders G3", "ro a", "new G4", "ro a, rw a"),
        ("Delete Shop.Orders G3", "rw a", "G3", "ro a"),
        ("Delete Shop.Orders G4", "ro a", "G4", ""),
    ],
    "two failures with --no-rollback, then back to the first": [
        CREATE,
        CHANGE,
        ("Update Shop.Orders G2", "rw a", "new G3", "ro a, rw a"),
        ("Delete Shop.Orders G2", "ro a", "G2", "rw a"),
        ("Delete Shop.Orders G3", "rw a", "G3", "rw a"),
        ("Update Shop.Orders G1", "ro a", "new G4", "ro a, rw a"),
        ("Delete Shop.Orders G1", "rw a", "G1", "ro a"),
    ],
    "to another cluster and back": [
        CREATE,
        ("Update Shop.Orders main/0123456789ab/0123456789ab", "ro a", "new G3", "ro a, rw a"),
        (
            "Delete Shop.Orders main/0123456789ab/0123456789ab",
            "rw a", "main/0123456789ab/0123456789ab", "ro a",
        ),
        ("Delete Shop.Orders G3", "ro a", "G3", ""),
    ],
    "the grant itself fails": [
        CREATE,
        ("Update Shop.Orders G1", "refused a", "failed G1", "rw a"),
        ("Update Shop.Orders G1", "rw a", "G1", "rw a"),
    ],
    "the creation fails": [
        ("Create Shop.Orders -", "refused a", "failed G1", ""),
        ("Delete Shop.Orders G1", "refused a", "G1", ""),
        ("Create Shop.Orders -", "rw a", "new G2", "rw a"),
    ],
    "the IAM role has another name": [
        CREATE,
        ("Update Shop.Orders G1", "rw b", "new G2", "rw a, rw b"),
        ("Delete Shop.Orders G1", "rw a", "G1", "rw b"),
    ],
    "removed": [CREATE, ("Delete Shop.Orders G1", "rw a", "G1", "")],
    "moved to another construct": [
        CREATE,
        ("Create Shop.Moved -", "rw a", "new M1", "rw a"),
        ("Delete Shop.Orders G1", "rw a", "G1", "rw a"),
        ("Delete Shop.Moved M1", "rw a", "M1", ""),
    ],
    "moved to another stack": [
        CREATE,
        ("Create Other.Orders -", "rw a", "new M1", "rw a"),
        ("Delete Shop.Orders G1", "rw a", "G1", "rw a"),
    ],
    "two stacks": [
        CREATE,
        ("Create Other.Orders -", "ro b", "new O1", "ro b, rw a"),
        ("Delete Shop.Orders G1", "rw a", "G1", "ro b"),
        ("Delete Other.Orders O1", "ro b", "O1", ""),
    ],
    "several roles of one grantee": [
        ("Create Shop.Orders -", "rw a, select a", "new G1", "clerk a, rw a"),
        ("Update Shop.Orders G1", "select a", "new G2", "clerk a, rw a"),
        ("Delete Shop.Orders G1", "rw a, select a", "G1", "clerk a"),
    ],
    "back and forth with --no-rollback": [
        CREATE,
        CHANGE,
        ("Update Shop.Orders G2", "rw a", "new G3", "ro a, rw a"),
        ("Delete Shop.Orders G1", "rw a", "G1", "ro a, rw a"),
        ("Delete Shop.Orders G2", "ro a", "G2", "rw a"),
    ],
    "a late Delete of an id before the current one": [
        CREATE,
        CHANGE,
        ("Update Shop.Orders G2", "rw a", "new G3", "ro a, rw a"),
        ("Delete Shop.Orders G2", "ro a", "G2", "rw a"),
        ("Delete Shop.Orders G1", "rw a", "G1", "rw a"),
    ],
    "a Delete that is sent twice": [
        CREATE,
        ("Delete Shop.Orders G1", "rw a", "G1", ""),
        ("Delete Shop.Orders G1", "rw a", "G1", ""),
    ],
    "the creation is cancelled before its answer": [
        CREATE,
        ("Delete Shop.Orders Shop-Orders-1A2B", "rw a", "Shop-Orders-1A2B", ""),
    ],
    "an Update is cancelled before its answer, and sent again": [
        CREATE,
        CHANGE,
        ("Update Shop.Orders G1", "rw a", "G1", "rw a"),
    ],
    "a Delete of an id that never was": [
        CREATE,
        ("Delete Shop.Bills main/0123456789ab/0123456789ab", "rw a", "main/0123456789ab/0123456789ab", "rw a"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("steps", SEQUENCES.values(), ids=SEQUENCES)
def test_sequence(deployment: Deployment, steps: list[Step]) -> None:
    with stacks(deployment) as cloudformation:
        ids: dict[str, str] = {}
        for step, grant, expected, mapped in steps:
            kind, place, at = step.split()
            stack, resource = place.split(".")
            id = None if at == "-" else ids.get(at, at)
            answer = cloudformation.grant(kind, grant, id, resource, stack)
            state, _, name = expected.rpartition(" ")
            status = "FAILED" if state == "failed" else "SUCCESS"
            assert answer["Status"] == status, (step, answer["Reason"])
            given = answer["PhysicalResourceId"]
            if state == "new" or (name not in ids and state == "failed"):
                assert given not in ids.values(), f"{step}: an id is used once"
                ids[name] = given
            assert given == ids.get(name, name), step
            assert ", ".join(sorted(cloudformation.mapped())) == mapped, step
