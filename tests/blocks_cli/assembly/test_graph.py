"""Order of creation, and cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_cli.assembly.graph import dependencies, order, resource_order
from blocks_cli.assembly.template import Resource, read_template
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from blocks_cli.json_value import Json


def resource(name: str, properties: dict[str, Json], *depends_on: str) -> Resource:
    return Resource(name, "Test::Thing", properties, depends_on, None, False, f"S/{name}")


REFERENCES: dict[str, tuple[dict[str, Json], list[str]]] = {
    "ref": ({"x": {"Ref": "A"}}, ["A"]),
    "getatt": ({"x": {"Fn::GetAtt": ["A", "Arn"]}}, ["A"]),
    "getatt dotted": ({"x": {"Fn::GetAtt": "A.Arn"}}, ["A"]),
    "sub": ({"x": {"Fn::Sub": "${A.Arn}/${B}/${AWS::Region}/${!C}"}}, ["A", "B"]),
    "sub with variables": ({"x": {"Fn::Sub": ["${v}", {"v": {"Ref": "B"}}]}}, ["B"]),
    "deep": ({"x": [{"y": {"Fn::Join": ["", [{"Ref": "C"}]]}}]}, ["C"]),
    "both branches of an if": ({"x": {"Fn::If": ["c", {"Ref": "A"}, {"Ref": "B"}]}}, ["A", "B"]),
    "stranger": ({"x": {"Ref": "AWS::Region"}}, []),
}


@pytest.mark.parametrize(("properties", "expected"), REFERENCES.values(), ids=REFERENCES)
def test_dependencies(properties: dict[str, Json], expected: list[str]) -> None:
    assert dependencies(resource("R", properties), {"A", "B", "C", "R"}) == expected


def test_resources_come_after_their_dependencies() -> None:
    resources = {
        "Late": resource("Late", {"x": {"Ref": "Middle"}}),
        "Middle": resource("Middle", {}, "Early"),
        "Early": resource("Early", {}),
    }
    assert [r.logical_id for r in resource_order(resources)] == ["Early", "Middle", "Late"]


def test_the_error_lists_a_cycle() -> None:
    with pytest.raises(CommandError) as refusal:
        order({"A": ["B"], "B": ["C"], "C": ["A"], "D": []}, "resources")
    assert refusal.value.what == "resources: circular dependency"
    assert set(refusal.value.why.split(" -> ")) == {"A", "B", "C"}
    assert refusal.value.remedy


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"Transform": "AWS::Serverless"}, "has the transform"),
        ({"Resources": {"M": {"Type": "AWS::CloudFormation::Macro"}}}, "M is an AWS::CloudFormation::Macro"),
    ],
    ids=["transform", "macro"],
)
def test_features_that_need_an_aws_account_are_refused(body: dict[str, Json], what: str) -> None:
    with pytest.raises(CommandError, match=what):
        read_template(body, "S", {})
