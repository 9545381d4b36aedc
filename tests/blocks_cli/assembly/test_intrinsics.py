"""Intrinsic functions and their errors, as tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from blocks_cli.assembly.intrinsics import NotYetKnownError, Scope, condition_holds, resolve
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from blocks_cli.json_value import Json

ATTRIBUTES: dict[str, Json] = {"Db.Endpoint": "localhost:5001", "Db.Names": ["a", "b"]}


@dataclass(frozen=True)
class Known:
    """References in which `Db` exists and `Later` is only declared."""

    def ref(self, logical_id: str) -> str:
        if logical_id == "Later":
            raise NotYetKnownError(logical_id)
        return {"Db": "cluster1"}[logical_id]

    def attribute(self, logical_id: str, name: str) -> Json:
        self.ref(logical_id)
        return ATTRIBUTES[f"{logical_id}.{name}"]


SCOPE = Scope(
    stack="Bank",
    account="000000000000",
    region="eu-west-1",
    references=Known(),
    declared={
        "BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/v"},
        "Size": {"Type": "Number", "Default": 3},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a,b"},
        "Given": {"Type": "String"},
        "Missing": {"Type": "String"},
        "Secret": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/some/where"},
    },
    parameters={"Given": "yes"},
    mappings={"Regions": {"eu-west-1": {"Name": "Dublin"}}},
    conditions={
        "IsDublin": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]},
        "IsNot": {"Fn::Not": [{"Condition": "IsDublin"}]},
        "Both": {"Fn::And": [{"Condition": "IsDublin"}, {"Condition": "IsNot"}]},
        "Either": {"Fn::Or": [{"Condition": "IsNot"}, {"Condition": "IsDublin"}]},
    },
    exports={"Other:Endpoint": "localhost:7"},
    outputs={("Other", "Endpoint"): "localhost:8"},
)

VALUES: dict[str, tuple[Json, Json]] = {
    "plain": ({"a": [1, True, None, "x"]}, {"a": [1, True, None, "x"]}),
    "ref resource": ({"Ref": "Db"}, "cluster1"),
    "ref parameter default": ({"Ref": "Size"}, "3"),
    "ref parameter given": ({"Ref": "Given"}, "yes"),
    "ref list parameter": ({"Ref": "Zones"}, ["a", "b"]),
    "ref bootstrap version": ({"Ref": "BootstrapVersion"}, "999"),
    "pseudo account": ({"Ref": "AWS::AccountId"}, "000000000000"),
    "pseudo region": ({"Ref": "AWS::Region"}, "eu-west-1"),
    "pseudo partition": ({"Ref": "AWS::Partition"}, "aws"),
    "pseudo suffix": ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
    "pseudo stack": ({"Ref": "AWS::StackName"}, "Bank"),
    "pseudo stack id": (
        {"Ref": "AWS::StackId"},
        "arn:aws:cloudformation:eu-west-1:000000000000:stack/Bank/local",
    ),
    "no value in object": ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
    "no value in list": ([1, {"Ref": "AWS::NoValue"}], [1]),
    "getatt list": ({"Fn::GetAtt": ["Db", "Endpoint"]}, "localhost:5001"),
    "getatt dotted": ({"Fn::GetAtt": "Db.Endpoint"}, "localhost:5001"),
    "sub": ({"Fn::Sub": "${Db}@${Db.Endpoint}/${AWS::Region}"}, "cluster1@localhost:5001/eu-west-1"),
    "sub escaped": ({"Fn::Sub": "${!Literal} ${Db}"}, "${Literal} cluster1"),
    "sub with variables": ({"Fn::Sub": ["${x}-${Db}", {"x": {"Ref": "Size"}}]}, "3-cluster1"),
    "join": ({"Fn::Join": [":", ["a", {"Ref": "Db"}, 3, True]]}, "a:cluster1:3:true"),
    "join of a list attribute": ({"Fn::Join": ["+", {"Fn::GetAtt": ["Db", "Names"]}]}, "a+b"),
    "select": ({"Fn::Select": [1, ["a", {"Ref": "Db"}]]}, "cluster1"),
    "select by text": ({"Fn::Select": ["0", {"Fn::Split": [":", "x:y"]}]}, "x"),
    "split": ({"Fn::Split": [":", {"Fn::GetAtt": ["Db", "Endpoint"]}]}, ["localhost", "5001"]),
    "find in map": ({"Fn::FindInMap": ["Regions", {"Ref": "AWS::Region"}, "Name"]}, "Dublin"),
    "find in map, default": ({"Fn::FindInMap": ["Regions", "x", "Name", {"DefaultValue": "?"}]}, "?"),
    "import value": ({"Fn::ImportValue": {"Fn::Sub": "Other:Endpoint"}}, "localhost:7"),
    "stack output": (
        {"Fn::GetStackOutput": {"StackName": "Other", "OutputName": "Endpoint", "Region": "eu-west-1"}},
        "localhost:8",
    ),
    "if true": ({"Fn::If": ["IsDublin", "yes", {"Ref": "Nonsense"}]}, "yes"),
    "if false": ({"Fn::If": ["IsNot", {"Ref": "Nonsense"}, "no"]}, "no"),
    "if no value": ({"a": {"Fn::If": ["IsNot", 1, {"Ref": "AWS::NoValue"}]}}, {}),
    "zones": ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
    "zones of a region": ({"Fn::Select": [0, {"Fn::GetAZs": "us-east-1"}]}, "us-east-1a"),
    "base64": ({"Fn::Base64": {"Ref": "Db"}}, "Y2x1c3RlcjE="),
    "length": ({"Fn::Length": {"Ref": "Zones"}}, 2),
    "json": ({"Fn::ToJsonString": {"a": {"Ref": "Db"}}}, '{"a":"cluster1"}'),
    "contains": ({"Fn::Contains": [["1", "2"], {"Ref": "BootstrapVersion"}]}, False),
    "a policy's Condition is data": (
        {"Effect": "Allow", "Condition": {"StringEquals": {"x": {"Ref": "Db"}}}},
        {"Effect": "Allow", "Condition": {"StringEquals": {"x": "cluster1"}}},
    ),
}

REFUSALS: dict[str, tuple[Json, str]] = {
    "unknown resource": ({"Ref": "Unknown"}, "Ref names Unknown"),
    "unknown attribute owner": ({"Fn::GetAtt": ["Unknown", "Arn"]}, "Fn::GetAtt names Unknown"),
    "parameter without value": ({"Ref": "Missing"}, "parameter Missing has no default"),
    "parameter in Systems Manager": (
        {"Ref": "Secret"},
        "in the account's Systems Manager, and no deployed stack",
    ),
    "dynamic reference": (
        "{{resolve:secretsmanager:x:SecretString:y}}",
        "dynamic reference to secretsmanager",
    ),
    "dynamic reference, joined": (
        {"Fn::Join": ["", ["{{resolve:ssm:", "/x", "}}"]]},
        "dynamic reference to ssm",
    ),
    "unknown function": ({"Fn::Transform": {"Name": "x"}}, "Fn::Transform cannot be evaluated locally"),
    "select out of range": ({"Fn::Select": [2, ["a"]]}, "Fn::Select 2 of a list of 1"),
    "missing mapping": ({"Fn::FindInMap": ["Regions", "mars", "Name"]}, "no Regions.mars.Name"),
    "missing export": ({"Fn::ImportValue": "Nope"}, "no deployed stack exports Nope"),
    "missing output": (
        {"Fn::GetStackOutput": {"StackName": "S", "OutputName": "O"}},
        "stack S has no output O",
    ),
    "unknown condition": ({"Fn::If": ["Nope", 1, 2]}, "the condition Nope does not exist"),
    "wrong count": ({"Fn::Join": [":"]}, "Fn::Join takes 2 arguments, not 1"),
    "no value where one is needed": ({"Fn::Join": ["", {"Ref": "AWS::NoValue"}]}, "AWS::NoValue is used"),
}

CONDITIONS = {"IsDublin": True, "IsNot": False, "Both": False, "Either": True}


@pytest.mark.parametrize(("expression", "expected"), VALUES.values(), ids=VALUES)
def test_value(expression: Json, expected: Json) -> None:
    assert resolve(expression, SCOPE, "Bank/main Endpoint") == expected


@pytest.mark.parametrize(("expression", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_an_error_has_place_reason_and_remedy(expression: Json, reason: str) -> None:
    with pytest.raises(CommandError) as refusal:
        resolve(expression, SCOPE, "Bank/main Endpoint")
    assert refusal.value.what == "Bank/main Endpoint: cannot be resolved"
    assert reason in refusal.value.why
    assert refusal.value.remedy


@pytest.mark.parametrize(("name", "expected"), CONDITIONS.items(), ids=CONDITIONS)
def test_condition(name: str, expected: bool) -> None:
    assert condition_holds(name, SCOPE, "Bank") is expected


@pytest.mark.parametrize("expression", [{"Ref": "Later"}, {"Fn::Join": ["", ["x", {"Ref": "Later"}]]}])
def test_a_reference_to_a_missing_resource_is_not_yet_known(expression: Json) -> None:
    with pytest.raises(NotYetKnownError, match="Later"):
        resolve(expression, SCOPE, "Bank/main")


def test_dynamic_references_are_kept_on_request() -> None:
    text = "{{resolve:ssm:/x}}"
    assert resolve({"Fn::Sub": text}, SCOPE, "Bank/main", dynamic=True) == text


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eusc-de-east-1", "aws-eusc")],
)
def test_partition_follows_the_region(region: str, partition: str) -> None:
    assert resolve({"Ref": "AWS::Partition"}, replace(SCOPE, region=region), "x") == partition
