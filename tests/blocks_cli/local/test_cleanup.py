"""Requests that custom resources get over several deploys: cleanup, failures, both readings of a rollback."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from blocks_cli.errors import CommandError
from blocks_cli.json_value import mapping
from blocks_cli.local import LocalDeployment
from blocks_cli.local.cleanup import dependents_first
from blocks_cli.local.state import DeployedResource
from tests.support.handler_app import PYTHON, HandlerApp, Thing
from tests.support.recording_report import RecordingReport

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_cli.json_value import Json


@dataclass(frozen=True)
class Step:
    """A deploy of these resources, and the requests that their handler gets; None destroys the stack.

    `fails` says that the deploy fails, `note` is a part of a note.
    """

    things: dict[str, Thing] | None
    events: list[str]
    rollback: str = "none"
    fails: bool = False
    note: str = ""


ONE, TWO = Thing("1"), Thing("2")
BROKEN = Thing("1", fails="new", needs=("A",))

CASES: dict[str, list[Step]] = {
    "create, change, remove": [
        Step({"A": ONE}, ["Create A: none -> A#1"]),
        Step({"A": TWO}, ["Update A 1>2: A#1 -> A#2", "Delete A: A#1"]),
        Step({}, ["Delete A: A#2"]),
        Step(None, []),
    ],
    "destroy": [
        Step(
            {"A": ONE, "B": Thing(needs=("A",))},
            ["Create A: none -> A#1", "Create B: none -> B#1"],
        ),
        Step(None, ["Delete B: B#1", "Delete A: A#1"]),
    ],
    "the cleanup waits for all updates": [
        Step(
            {"A": ONE, "B": Thing(needs=("A",))},
            ["Create A: none -> A#1", "Create B: none -> B#1"],
        ),
        Step(
            {"A": TWO, "B": Thing("2", needs=("A",))},
            ["Update A 1>2: A#1 -> A#2", "Update B 1>2: B#1 -> B#2", "Delete B: B#1", "Delete A: A#1"],
        ),
    ],
    "replaced and removed ones go together, dependents first": [
        Step(
            {"A": ONE, "B": Thing(needs=("A",)), "C": Thing(needs=("B",)), "D": Thing(needs=("C",))},
            [f"Create {name}: none -> {name}#1" for name in "ABCD"],
        ),
        Step(
            {"A": TWO, "C": Thing("2")},
            [
                *("Update A 1>2: A#1 -> A#2", "Update C 1>2: C#1 -> C#2"),
                *("Delete D: D#1", "Delete C: C#1", "Delete B: B#1", "Delete A: A#1"),
            ],
        ),
    ],
    "no rollback: leftovers wait for a deploy that is complete": [
        Step({"A": ONE}, ["Create A: none -> A#1"]),
        Step(
            {"A": TWO, "B": BROKEN},
            ["Update A 1>2: A#1 -> A#2", "Create B: none -> B#1 FAILED"],
            fails=True,
        ),
        Step(
            {"A": Thing("3"), "B": BROKEN},
            ["Update A 2>3: A#2 -> A#3", "Create B: none -> B#2 FAILED"],
            fails=True,
        ),
        Step({"A": Thing("3")}, ["Delete A: A#1", "Delete A: A#2"]),
    ],
    "no rollback: destroy takes the leftovers, too": [
        Step({"A": ONE}, ["Create A: none -> A#1"]),
        Step(
            {"A": TWO, "B": BROKEN},
            ["Update A 1>2: A#1 -> A#2", "Create B: none -> B#1 FAILED"],
            fails=True,
        ),
        Step(None, ["Delete A: A#1", "Delete A: A#2"]),
    ],
    "delete: a replaced one gets Delete of the new id alone": [
        Step({"A": ONE}, ["Create A: none -> A#1"]),
        Step(
            {"A": TWO, "B": BROKEN},
            [
                *("Update A 1>2: A#1 -> A#2", "Create B: none -> B#1 FAILED"),
                *("Delete B: B#1", "Delete A: A#2"),
            ],
            "delete",
            fails=True,
        ),
        Step({"A": TWO}, ["Update A 1>2: A#1 -> A#3", "Delete A: A#1"]),
    ],
    "update: a replaced one gets Update with the old properties, and all unused ids get Delete": [
        Step({"A": ONE}, ["Create A: none -> A#1"]),
        Step(
            {"A": TWO, "B": BROKEN},
            [
                *("Update A 1>2: A#1 -> A#2", "Create B: none -> B#1 FAILED"),
                *("Update A 2>1: A#2 -> A#3", "Delete B: B#1", "Delete A: A#1", "Delete A: A#2"),
            ],
            "update",
            fails=True,
        ),
        Step({"A": TWO}, ["Update A 1>2: A#3 -> A#4", "Delete A: A#3"]),
    ],
    "update: the first id returns": [
        Step({"A": Thing("1", "value")}, ["Create A: none -> A=1"]),
        Step(
            {"A": Thing("2", "value"), "B": BROKEN},
            [
                *("Update A 1>2: A=1 -> A=2", "Create B: none -> B#1 FAILED"),
                *("Update A 2>1: A=2 -> A=1", "Delete B: B#1", "Delete A: A=2"),
            ],
            "update",
            fails=True,
        ),
        Step({}, ["Delete A: A=1"]),
    ],
    **{
        f"{mode}: one that is changed in place gets Update with the old properties": [
            Step({"A": Thing("1", "same")}, ["Create A: none -> A"]),
            Step(
                {"A": Thing("2", "same"), "B": BROKEN},
                [
                    *("Update A 1>2: A -> A", "Create B: none -> B#1 FAILED"),
                    *("Update A 2>1: A -> A", "Delete B: B#1"),
                ],
                mode,
                fails=True,
            ),
            Step({"A": Thing("1", "same")}, []),
        ]
        for mode in ("delete", "update")
    },
    **{
        f"{mode}: an own failure under the old id": [
            Step({"A": ONE}, ["Create A: none -> A#1"]),
            Step(
                {"A": Thing("2", fails="known")},
                ["Update A 1>2: A#1 -> A#1 FAILED", "Update A 2>1: A#1 -> A#3", "Delete A: A#1"],
                mode,
                fails=True,
            ),
            Step({}, ["Delete A: A#3"]),
        ]
        for mode in ("delete", "update")
    },
    "delete: an own failure under a new id": [
        Step({"A": ONE}, ["Create A: none -> A#1"]),
        Step(
            {"A": Thing("2", fails="new")},
            ["Update A 1>2: A#1 -> A#2 FAILED", "Delete A: A#2"],
            "delete",
            fails=True,
        ),
        Step({}, ["Delete A: A#1"]),
    ],
    "update: an own failure under a new id": [
        Step({"A": ONE}, ["Create A: none -> A#1"]),
        Step(
            {"A": Thing("2", fails="new")},
            [
                *("Update A 1>2: A#1 -> A#2 FAILED", "Update A 2>1: A#1 -> A#3"),
                *("Delete A: A#2", "Delete A: A#1"),
            ],
            "update",
            fails=True,
        ),
        Step({}, ["Delete A: A#3"]),
    ],
    "delete: a stack that cannot be created is deleted": [
        Step(
            {"A": ONE, "B": Thing(needs=("A",)), "C": Thing(fails="new", needs=("B",))},
            [
                *("Create A: none -> A#1", "Create B: none -> B#1", "Create C: none -> C#1 FAILED"),
                *("Delete C: C#1", "Delete B: B#1", "Delete A: A#1"),
            ],
            "delete",
            fails=True,
        ),
        Step({"A": ONE}, ["Create A: none -> A#2"]),
    ],
    "a removed one of a failed deploy stays": [
        Step({"A": ONE, "B": ONE}, ["Create A: none -> A#1", "Create B: none -> B#1"]),
        Step({"A": Thing("2", fails="known")}, ["Update A 1>2: A#1 -> A#1 FAILED"], fails=True),
        Step({"A": ONE, "B": ONE}, []),
    ],
    "an id that returns is not deleted": [
        Step({"A": Thing("1", "value")}, ["Create A: none -> A=1"]),
        Step(
            {"A": Thing("2", "value"), "B": BROKEN},
            ["Update A 1>2: A=1 -> A=2", "Create B: none -> B#1 FAILED"],
            fails=True,
        ),
        Step(
            {"A": Thing("1", "value")},
            ["Update A 2>1: A=2 -> A=1", "Delete A: A=2"],
            note="its handler returned A=1 again",
        ),
        Step(None, ["Delete A: A=1"]),
    ],
    "a cleanup that fails three times is forgotten": [
        Step({"A": Thing("1", fails="Delete")}, ["Create A: none -> A#1"]),
        Step(
            {"A": TWO},
            ["Update A 1>2: A#1 -> A#2", *["Delete A: A#1 FAILED"] * 3],
            note="A#1 could not be deleted in 3 tries and is forgotten",
        ),
        Step({"A": TWO}, []),
        Step(None, ["Delete A: A#2"]),
    ],
    "a removed one that cannot be deleted does not fail the deploy either": [
        Step({"A": Thing("1", fails="Delete")}, ["Create A: none -> A#1"]),
        Step({}, ["Delete A: A#1 FAILED"] * 3, note="A#1 could not be deleted in 3 tries"),
        Step({}, []),
    ],
    "a stack whose resource cannot be deleted is not destroyed": [
        Step({"A": Thing("1", fails="Delete")}, ["Create A: none -> A#1"]),
        Step(None, ["Delete A: A#1 FAILED"], fails=True),
        Step(None, ["Delete A: A#1 FAILED"], fails=True),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("steps", CASES.values(), ids=CASES)
def test_requests_of_a_sequence_of_deploys(tmp_path: Path, steps: list[Step]) -> None:
    app = HandlerApp(tmp_path)
    for number, step in enumerate(steps, 1):
        report = RecordingReport()
        if step.things is None:
            failure = app.destroy()
        else:
            failure = app.deploy(step.things, rollback=step.rollback, report=report)
        assert (failure is not None) is step.fails, f"step {number}: {failure}"
        assert app.events() == step.events, f"step {number}"
        assert step.note in "\n".join(report.notes)


def test_a_creation_without_an_answer_is_deleted_under_a_generated_id(tmp_path: Path) -> None:
    app = HandlerApp(tmp_path)
    failure = app.deploy({"A": Thing(fails="crash")}, rollback="delete")
    assert failure is not None
    assert failure.remedy.endswith("the stack was rolled back")
    create, delete = app.events()
    assert create == "Create A: none FAILED"
    assert re.fullmatch(r"Delete A: S-A-[0-9A-F]{12}", delete), "not an id of the handler"


def function(version: str) -> Json:
    code = f"import os\ndef handler(event, context): return ['{version}', os.environ['VERSION']]"
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"ZipFile": code},
            "Handler": "index.handler",
            "Runtime": PYTHON,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Environment": {"Variables": {"VERSION": version}},
        },
    }


@pytest.mark.parametrize("mode", ["delete", "update"])
def test_a_rollback_restores_code_and_variables_of_functions(tmp_path: Path, mode: str) -> None:
    app = HandlerApp(tmp_path)
    assert app.deploy({}, more={"Fn": function("old")}) is None
    broken = {"B": Thing(fails="new", needs=("Fn", "Second"))}
    assert app.deploy(broken, more={"Fn": function("new"), "Second": function("new")}, rollback=mode)
    with LocalDeployment.open(tmp_path) as deployment:
        assert deployment.invoke("S/Fn").payload == ["old", "old"]
        assert sorted(each.path for each in deployment.functions) == ["S/Fn", "S/Handler"]


@pytest.mark.parametrize(
    ("policy", "deleted"),
    [("Delete", True), ("Retain", False), ("RetainExceptOnCreate", True)],
)
def test_a_rollback_keeps_created_resources_by_their_policy(
    tmp_path: Path, policy: str, deleted: bool
) -> None:
    app = HandlerApp(tmp_path)
    kept = app.resource(ONE)
    assert isinstance(kept, dict)
    failed = app.deploy({"B": BROKEN}, more={"A": {**kept, "DeletionPolicy": policy}}, rollback="delete")
    assert failed
    assert ("Delete A: A#1" in app.events()) is deleted


@pytest.mark.parametrize(("policy", "deleted"), [("Delete", True), ("Retain", False)])
@pytest.mark.parametrize("rollback", ["none", "delete", "update"])
def test_a_replaced_resource_is_kept_by_its_policy(
    tmp_path: Path, policy: str, deleted: bool, rollback: str
) -> None:
    """After a rollback, the policy is not asked: what the failed deploy made is deleted."""
    app = HandlerApp(tmp_path)

    def a(version: Thing) -> dict[str, Json]:
        return {"A": {**mapping(app.resource(version)), "UpdateReplacePolicy": policy}}

    assert app.deploy({}, more=a(ONE)) is None
    if rollback != "none":
        assert app.deploy({"B": BROKEN}, more=a(TWO), rollback=rollback)
        assert "Delete A: A#2" in app.events()
    report = RecordingReport()
    assert app.deploy({}, more=a(Thing("4")), report=report) is None
    (replaced,) = re.findall(r"^Update A .>4: (A#\d)", "\n".join(events := app.events()), re.MULTILINE)
    assert (f"Delete A: {replaced}" in events) is deleted
    kept = f"S/A: {replaced} was replaced and is kept (UpdateReplacePolicy)"
    assert (kept in report.notes) is not deleted
    assert app.destroy() is None
    assert (f"Delete A: {replaced}" in app.events()) is False


def test_an_update_to_another_handler_is_refused(tmp_path: Path) -> None:
    app = HandlerApp(tmp_path)
    assert app.deploy({"A": ONE}) is None
    moved = app.resource(ONE)
    assert isinstance(moved, dict)
    moved["Properties"] = {**mapping(moved["Properties"]), "ServiceToken": {"Fn::GetAtt": ["Fn", "Arn"]}}
    failure = app.deploy({}, more={"A": moved, "Fn": function("new")})
    assert failure is not None
    assert "Modifying service token is not allowed" in failure.why


def exporting(*names: str) -> Json:
    """Return a template with one export for each name."""
    outputs: Json = {name: {"Value": name, "Export": {"Name": f"Data:{name}"}} for name in names}
    return {"Resources": {}, "Outputs": outputs}


def importing(*names: str) -> Json:
    values: Json = [{"Fn::ImportValue": f"Data:{name}"} for name in names]
    queue: Json = {"Type": "AWS::SQS::Queue", "Properties": {"Tags": values}}
    return {"Resources": {"Queue": queue}}


def test_an_export_in_use_is_not_removed(tmp_path: Path) -> None:
    app, needs = HandlerApp(tmp_path), {"Shop": ["Data"]}

    def deploy(data: Json, shop: Json) -> None:
        LocalDeployment.deploy(app.assembly({"Data": data, "Shop": shop}, needs), tmp_path).close()

    deploy(exporting("one", "two"), importing("one"))
    deploy(exporting("one"), importing("one"))
    with pytest.raises(CommandError) as refused:
        deploy(exporting(), importing())
    assert refused.value.why == "Cannot delete export Data:one as it is in use by Shop"
    deploy(exporting("one"), importing())
    deploy(exporting(), importing())


def test_response_urls_are_dated_like_signed_ones(tmp_path: Path) -> None:
    app, before = HandlerApp(tmp_path), time.gmtime()
    assert app.deploy({"A": ONE}) is None
    (request,) = app.requests()
    found = re.search(r"\?X-Amz-Date=(\d{8}T\d{6}Z)&X-Amz-Expires=7200\Z", str(request["ResponseURL"]))
    assert found
    assert (
        time.strftime("%Y%m%dT%H%M%SZ", before) <= found[1] <= time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    )


def resource(name: str, *needs: str, id: str = "1") -> DeployedResource:
    return DeployedResource(name, "Test::Thing", f"S/{name}", id, depends_on=needs)


ORDERS: dict[str, tuple[list[DeployedResource], list[str]]] = {
    "the last comes first": ([resource("A"), resource("B")], ["B1", "A1"]),
    "a chain": ([resource("C", "B"), resource("A"), resource("B", "A")], ["C1", "B1", "A1"]),
    "all generations of a dependency": (
        [resource("B", "A"), resource("A", id="1"), resource("A", id="2")],
        ["B1", "A2", "A1"],
    ),
    "a circle of generations": (
        [resource("A", "B", id="1"), resource("B", "A", id="2"), resource("C", "A")],
        ["C1", "A1", "B2"],
    ),
}


@pytest.mark.parametrize(("resources", "expected"), ORDERS.values(), ids=ORDERS)
def test_order_of_deletion(resources: list[DeployedResource], expected: list[str]) -> None:
    found = dependents_first(resources)
    assert [f"{each.logical_id}{each.physical_id}" for each in found] == expected
