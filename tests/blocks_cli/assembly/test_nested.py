"""Nested stacks are expanded into their parent, with references in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blocks_cli.assembly.nested import Source, expand
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks_cli.json_value import Json

KEY = f"{'a' * 64}.json"
INNER: dict[str, Json] = {
    "Parameters": {"Given": {"Type": "String"}, "Left": {"Type": "String", "Default": "left"}},
    "Conditions": {"Yes": {"Fn::Equals": ["1", "1"]}},
    "Mappings": {"Map": {"a": {"b": "c"}}},
    "Resources": {
        "Role": {"Type": "T", "Condition": "Yes"},
        "Fn": {
            "Type": "T",
            "DependsOn": "Role",
            "Properties": {
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Given": {"Ref": "Given"},
                "Left": {"Ref": "Left"},
                "Mapped": {"Fn::FindInMap": ["Map", "a", "b"]},
                "If": {"Fn::If": ["Yes", {"Ref": "Role"}, {"Ref": "AWS::NoValue"}]},
                "Sub": {"Fn::Sub": "${Role.Arn}/${Given}/${!Role}/${AWS::Region}"},
            },
        },
    },
    "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Fn", "Arn"]}}},
}
OUTER: dict[str, Json] = {
    "Resources": {
        "Queue": {"Type": "T"},
        "N": {
            "Type": "AWS::CloudFormation::Stack",
            "DependsOn": ["Queue"],
            "Properties": {
                "TemplateURL": {"Fn::Join": ["", ["https://s3/", KEY]]},
                "Parameters": {"Given": {"Ref": "Queue"}},
            },
        },
        "User": {
            "Type": "T",
            "DependsOn": ["N"],
            "Properties": {"Arn": {"Fn::GetAtt": ["N", "Outputs.Arn"]}},
        },
    },
    "Outputs": {"Out": {"Value": {"Fn::GetAtt": ["N", "Outputs.Arn"]}}},
}
PATHS = (
    ("/S/N.NestedStack/N.NestedStackResource", "N"),
    ("/S/Role/Resource", "Role"),
    ("/S/N/Role/Resource", "Role"),
    ("/S/N/Fn/Resource", "Fn"),
)


def expanded(outer: Mapping[str, Json] = OUTER) -> Json:
    return expand(outer, Source("S", lambda key: {KEY: INNER}[key], PATHS))


def test_references_lead_to_the_expanded_resources() -> None:
    whole: Json = expanded()
    assert isinstance(whole, dict)
    resources: Json = whole["Resources"]
    assert isinstance(resources, dict)
    assert set(resources) == {"Queue", "User", "NRole", "NFn"}
    assert resources["NFn"]["Properties"] == {  # type: ignore[index,call-overload]
        "Role": {"Fn::GetAtt": ["NRole", "Arn"]},
        "Given": {"Ref": "Queue"},
        "Left": "left",
        "Mapped": {"Fn::FindInMap": ["NMap", "a", "b"]},
        "If": {"Fn::If": ["NYes", {"Ref": "NRole"}, {"Ref": "AWS::NoValue"}]},
        "Sub": {"Fn::Sub": ["${NRole.Arn}/${Given}/${!Role}/${AWS::Region}", {"Given": {"Ref": "Queue"}}]},
    }
    assert resources["NFn"]["DependsOn"] == ["NRole", "Queue"]  # type: ignore[index,call-overload]
    assert resources["NRole"]["Condition"] == "NYes"  # type: ignore[index,call-overload]
    assert resources["User"] == {
        "Type": "T",
        "DependsOn": ["NRole", "NFn"],
        "Properties": {"Arn": {"Fn::GetAtt": ["NFn", "Arn"]}},
    }
    assert whole["Outputs"] == {"Out": {"Value": {"Fn::GetAtt": ["NFn", "Arn"]}}}
    assert whole["Conditions"] == {"NYes": {"Fn::Equals": ["1", "1"]}}
    assert whole["Mappings"] == {"NMap": {"a": {"b": "c"}}}


def test_resources_keep_their_construct_paths() -> None:
    resources: Json = expanded()["Resources"]  # type: ignore[index,call-overload]
    assert resources["NRole"]["Metadata"] == {"aws:cdk:path": "S/N/Role/Resource"}  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Condition": "C"}, "the nested stack N has a condition"),
        (
            {"Properties": {"TemplateURL": "https://example.com/t.json"}},
            "template of the nested stack N is not available",
        ),
    ],
)
def test_a_nested_stack_that_cannot_be_expanded_is_refused(change: dict[str, Json], message: str) -> None:
    nested: Json = OUTER["Resources"]["N"]  # type: ignore[index,call-overload]
    assert isinstance(nested, dict)
    with pytest.raises(CommandError, match=message):
        expanded({"Resources": {"N": {**nested, **change}}})
