"""The plan of a deploy, from state and template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from blocks_cli.assembly.intrinsics import Scope
from blocks_cli.assembly.template import read_template
from blocks_cli.errors import CommandError
from blocks_cli.local.plan import Action, StackReferences, plan, plan_removal
from blocks_cli.local.state import DeployedResource, StackState

if TYPE_CHECKING:
    from blocks_cli.json_value import Json


def deployed(name: str, properties: dict[str, Json], *needs: str, retained: bool = False) -> DeployedResource:
    return DeployedResource(
        name,
        "Test::Thing",
        f"S/{name}",
        f"id-{name}",
        properties,
        {"Arn": f"arn-{name}"},
        depends_on=needs,
        retained=retained,
        local={"stand-in": "us-east-1"},
    )


def wanted(**resources: dict[str, Json]) -> dict[str, Json]:
    return {name: {"Type": "Test::Thing", "Properties": properties} for name, properties in resources.items()}


@dataclass(frozen=True)
class Case:
    """A state, a template, and the changes between them."""

    resources: dict[str, Json]
    there: tuple[DeployedResource, ...]
    steps: list[tuple[str, Action, tuple[str, ...]]]


CASES = {
    "everything is new": Case(
        wanted(B={"x": {"Ref": "A"}}, A={}),
        (),
        [("A", Action.CREATE, ()), ("B", Action.CREATE, ())],
    ),
    "nothing changed": Case(
        wanted(A={"x": 1}, B={"x": {"Fn::GetAtt": ["A", "Arn"]}}),
        (deployed("A", {"x": 1}), deployed("B", {"x": "arn-A"}, "A")),
        [("A", Action.KEEP, ()), ("B", Action.KEEP, ())],
    ),
    "a property changed, one went, one came": Case(
        wanted(A={"x": 2, "new": 1}),
        (deployed("A", {"x": 1, "old": 1}),),
        [("A", Action.UPDATE, ("new", "old", "x"))],
    ),
    "a reference to something new counts as changed": Case(
        wanted(A={"x": {"Ref": "B"}}, B={}),
        (deployed("A", {"x": "id-B"}),),
        [("B", Action.CREATE, ()), ("A", Action.UPDATE, ("x",))],
    ),
    "what is gone is deleted in reverse order, after everything else": Case(
        wanted(New={}),
        (deployed("A", {}), deployed("B", {}, "A"), deployed("C", {}, "B")),
        [
            ("New", Action.CREATE, ()),
            ("C", Action.DELETE, ()),
            ("B", Action.DELETE, ()),
            ("A", Action.DELETE, ()),
        ],
    ),
    "what is retained stays": Case(
        {},
        (deployed("A", {}, retained=True),),
        [("A", Action.RETAIN, ())],
    ),
    "a false condition is as good as absence": Case(
        {"A": {"Type": "Test::Thing", "Condition": "Never"}},
        (deployed("A", {}),),
        [("A", Action.DELETE, ())],
    ),
    "a property without value is no property": Case(
        wanted(A={"x": {"Ref": "AWS::NoValue"}}),
        (deployed("A", {}),),
        [("A", Action.KEEP, ())],
    ),
}


def state(*resources: DeployedResource) -> StackState:
    return StackState("S", "us-east-1", "0", {resource.logical_id: resource for resource in resources})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_plan(case: Case) -> None:
    template = read_template({"Resources": case.resources}, "S", {})
    before = state(*case.there)
    scope = Scope(
        stack="S",
        account="0",
        region="us-east-1",
        references=StackReferences(before.resources, template.resources),
        conditions={"Never": {"Fn::Equals": ["a", "b"]}},
    )
    changes = plan(before, template, scope)
    assert [(c.logical_id, c.action, c.properties) for c in changes] == case.steps
    assert before == state(*case.there), "a plan changes nothing"


def test_a_resource_keeps_its_type() -> None:
    template = read_template({"Resources": {"A": {"Type": "Test::Other"}}}, "S", {})
    before = state(deployed("A", {}))
    scope = Scope("S", "0", "us-east-1", StackReferences(before.resources, template.resources))
    with pytest.raises(CommandError, match="was an Test::Thing and would become an Test::Other"):
        plan(before, template, scope)


def test_removal_is_the_reverse_of_creation() -> None:
    before = state(deployed("A", {}), deployed("B", {}, "A"), deployed("C", {}, "A"))
    assert [change.logical_id for change in plan_removal(before)][-1] == "A"
