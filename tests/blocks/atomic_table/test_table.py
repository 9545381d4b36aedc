"""The template of an `AtomicTable`: its properties, grants, variables, alarms, replicas, and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk.aws_cloudwatch_actions import SnsAction

from blocks import AtomicTable, ConstructError, DistributedDatabase, IAtomicTable
from blocks.atomic_table.grants import READ, WRITE
from tests.support.template_reader import Json, Template, function, logical_id

if TYPE_CHECKING:
    from collections.abc import Callable

TYPE = "AWS::DynamoDB::GlobalTable"
PROTECTED = {"DeletionProtectionEnabled": True}


def warnings(stack: cdk.Stack) -> list[str]:
    found = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    return [str(each.entry.data) for each in found]


def environment(stack: cdk.Stack, fn: lambda_.Function) -> dict[str, Json]:
    properties = Template.of(stack).resources[logical_id(fn)]["Properties"]
    variables: dict[str, Json] = properties["Environment"]["Variables"]
    return variables


def test_a_table_needs_nothing_but_an_id(stack: cdk.Stack) -> None:
    AtomicTable(stack, "locks")
    resource = Template.of(stack).the(TYPE)
    properties = resource["Properties"]
    assert properties["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert {each["AttributeType"] for each in properties["AttributeDefinitions"]} == {"S"}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    (replica,) = properties["Replicas"]
    assert replica["DeletionProtectionEnabled"] is True
    assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert "TableName" not in properties
    assert warnings(stack) == []


def test_a_table_that_goes_with_its_stack_is_not_protected(stack: cdk.Stack) -> None:
    AtomicTable(stack, "locks", removal_policy=cdk.RemovalPolicy.DESTROY)
    resource = Template.of(stack).the(TYPE)
    assert resource["DeletionPolicy"] == "Delete"
    assert resource["Properties"]["Replicas"][0]["DeletionProtectionEnabled"] is False


GRANTS: dict[str, tuple[Callable[[IAtomicTable, iam.IGrantable], iam.Grant], tuple[str, ...]]] = {
    "read": (lambda table, fn: table.grant_read(fn), READ),
    "read and write": (lambda table, fn: table.grant_read_write(fn), (*READ, *WRITE)),
    "more": (lambda table, fn: table.grant(fn, "dynamodb:Scan"), ("dynamodb:Scan",)),
}


@pytest.mark.parametrize(("grant", "actions"), GRANTS.values(), ids=GRANTS)
def test_grants_name_exact_actions_on_this_table(
    stack: cdk.Stack,
    grant: Callable[[IAtomicTable, iam.IGrantable], iam.Grant],
    actions: tuple[str, ...],
) -> None:
    table, fn = AtomicTable(stack, "locks"), function(stack)
    grant(table, fn)
    ((_, allowed, resource),) = Template.of(stack).statements()
    assert sorted(allowed) == sorted(actions)
    assert resource == {"Fn::GetAtt": [logical_id(table.table), "Arn"]}


def test_writing_includes_the_condition_check_of_transactions() -> None:
    assert "dynamodb:ConditionCheckItem" in WRITE
    assert not any("*" in action or "Scan" in action for action in (*READ, *WRITE))


def test_a_function_gets_variables_and_layer(stack: cdk.Stack) -> None:
    table, fn = AtomicTable(stack, "my-locks"), function(stack)
    table.grant_read_write(fn)
    assert environment(stack, fn) == {
        "BLOCKS_MY_LOCKS_TABLE": {"Ref": logical_id(table.table)},
        "BLOCKS_MY_LOCKS_REGION": {"Ref": "AWS::Region"},
    }
    assert len(Template.of(stack).named(fn)["Properties"]["Layers"]) == 1
    assert set(table.environment()) == set(environment(stack, fn))


def test_layers_are_left_out_on_request(stack: cdk.Stack) -> None:
    table, fn = AtomicTable(stack, "locks"), function(stack)
    table.grant_read(fn, layer=False)
    assert "Layers" not in Template.of(stack).named(fn)["Properties"]


def test_both_blocks_share_one_layer(stack: cdk.Stack) -> None:
    fn = function(stack)
    AtomicTable(stack, "locks").grant_read_write(fn)
    DistributedDatabase(stack, "main").grant_connect(fn)
    assert set(environment(stack, fn)) == {
        *("BLOCKS_LOCKS_TABLE", "BLOCKS_LOCKS_REGION"),
        *("BLOCKS_MAIN_ENDPOINT", "BLOCKS_MAIN_REGION", "BLOCKS_MAIN_ROLE"),
    }
    assert len(Template.of(stack).named(fn)["Properties"]["Layers"]) == 1


def test_one_name_of_variables_for_two_tables_is_refused(stack: cdk.Stack) -> None:
    fn = function(stack)
    AtomicTable(stack, "my-locks").grant_read(fn)
    with pytest.raises(ConstructError, match="BLOCKS_MY_LOCKS"):
        AtomicTable(stack, "my.locks").grant_read(fn)


def test_other_grantees(stack: cdk.Stack) -> None:
    table = AtomicTable(stack, "locks")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    fn = function(stack)
    for grantee in (role, iam.User(stack, "User"), fn.add_alias("live")):
        assert table.grant_read_write(grantee).success
    assert "BLOCKS_LOCKS_TABLE" in environment(stack, fn)
    foreign = lambda_.Function.from_function_attributes(
        stack, "Foreign", function_arn="arn:aws:lambda:us-east-1:123456789012:function:f", role=role
    )
    table.grant_read(foreign)
    assert any("variables and layer cannot be set" in each for each in warnings(stack))


def test_a_key_is_used_by_grantees(stack: cdk.Stack) -> None:
    key = kms.Key(stack, "Key")
    table = AtomicTable(stack, "locks", encryption_key=key)
    table.grant_read_write(function(stack))
    properties = Template.of(stack).the(TYPE)["Properties"]
    assert properties["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    of_key = [actions for _, actions, resource in Template.of(stack).statements() if "Key" in str(resource)]
    assert any("kms:Decrypt" in actions for actions in of_key)


def test_across_stacks(app: cdk.App) -> None:
    home, other = cdk.Stack(app, "Home"), cdk.Stack(app, "Other")
    table, fn = AtomicTable(home, "locks"), function(other)
    table.grant_read_write(fn)
    assert "Fn::ImportValue" in str(environment(other, fn)["BLOCKS_LOCKS_TABLE"])
    ((_, _, resource),) = Template.of(other).statements()
    assert "Fn::ImportValue" in str(resource)


def test_replicas_are_read_and_the_home_region_written(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    table = AtomicTable(virginia, "locks", replicas=["us-east-2"])
    reader, writer, both = function(ohio, "Reader"), function(ohio, "Writer"), function(ohio, "Both")
    table.grant_read(reader)
    table.grant_read_write(writer)
    table.grant_read_write(both)
    table.grant_read(both)
    regions = {fn.node.id: environment(ohio, fn)["BLOCKS_LOCKS_REGION"] for fn in (reader, writer, both)}
    assert regions == {"Reader": "us-east-2", "Writer": "us-east-1", "Both": "us-east-1"}
    replicas = Template.of(virginia).the(TYPE)["Properties"]["Replicas"]
    assert {each["Region"] for each in replicas} == {"us-east-1", "us-east-2"}
    assert all(each["DeletionProtectionEnabled"] for each in replicas)
    assert all(each["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] for each in replicas)
    assert any("replication is eventual" in each and "us-east-1 only" in each for each in warnings(virginia))
    allowed = {actions: str(resource) for _, actions, resource in Template.of(ohio).statements()}
    reads = [text for actions, text in allowed.items() if set(actions) == set(READ)]
    assert any(":us-east-2:" in text for text in reads)
    writes = [text for actions, text in allowed.items() if set(actions) > set(READ)]
    assert all(":us-east-1:" in text for text in writes)


def test_keys_of_replicas(virginia: cdk.Stack) -> None:
    AtomicTable(
        virginia,
        "locks",
        encryption_key=kms.Key(virginia, "Key"),
        replicas=["us-east-2"],
        replica_keys={"us-east-2": "arn:aws:kms:us-east-2:123456789012:key/k"},
    )
    replicas = Template.of(virginia).the(TYPE)["Properties"]["Replicas"]
    assert all("SSESpecification" in each for each in replicas)


def test_alarms(stack: cdk.Stack) -> None:
    table = AtomicTable(stack, "locks")
    alarms = table.recommended_alarms(SnsAction(sns.Topic(stack, "Topic")))
    assert len(alarms) == 3
    resources = [Template.of(stack).resources[id] for id in Template.of(stack).ids("AWS::CloudWatch::Alarm")]
    metrics = {each["Properties"]["MetricName"] for each in resources}
    assert metrics == {"TransactionConflict", "ConditionalCheckFailedRequests", "WriteThrottleEvents"}
    for each in resources:
        assert each["Properties"]["Dimensions"] == [
            {"Name": "TableName", "Value": {"Ref": logical_id(table.table)}}
        ]
        assert len(each["Properties"]["AlarmActions"]) == 1


def test_an_imported_table(stack: cdk.Stack) -> None:
    table, fn = AtomicTable.from_table_name(stack, "locks", "theirs"), function(stack)
    table.grant_read_write(fn)
    assert environment(stack, fn)["BLOCKS_LOCKS_TABLE"] == "theirs"
    ((_, _, resource),) = Template.of(stack).statements()
    assert str(resource).endswith(":table/theirs']]}")
    assert Template.of(stack).ids(TYPE) == []


def test_tags(stack: cdk.Stack) -> None:
    AtomicTable(stack, "locks", tags={"team": "payments"})
    (replica,) = Template.of(stack).the(TYPE)["Properties"]["Replicas"]
    assert {"Key": "team", "Value": "payments"} in replica["Tags"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "snapshot": ({"removal_policy": cdk.RemovalPolicy.SNAPSHOT}, "takes no snapshot"),
    "protected and deleted": (
        {"removal_policy": cdk.RemovalPolicy.DESTROY, "deletion_protection": True},
        "contradicts deletion_protection",
    ),
    "no Region": ({"replicas": ["us-west-2"]}, "no explicit Region"),
    "no list": ({"replicas": "us-west-2"}, "a list of Regions"),
    "no name of a Region": ({"replicas": ["Ohio"]}, "a list of Regions"),
    "key as text": ({"encryption_key": "arn:aws:kms:…"}, "a KMS key"),
    "unknown option": ({"billing": "on demand"}, "no option billing"),
}


@pytest.mark.parametrize(("options", "says"), REFUSED.values(), ids=REFUSED)
def test_contradictions_are_refused(stack: cdk.Stack, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConstructError, match=says):
        AtomicTable(stack, "locks", **options)


CALLS_REFUSED: dict[str, tuple[Callable[[cdk.Stack, Any], object], str]] = {
    "import without a name": (
        lambda stack, _: AtomicTable.from_table_name(stack, "it", ""),
        "the name of a table",
    ),
    "import by a number": (lambda stack, _: AtomicTable.from_table_name(stack, "it", 5), "table_name is 5"),  # type: ignore[arg-type]
    "one Region of an import": (
        lambda stack, _: AtomicTable.from_table_name(stack, "it", "theirs", replicas="us-west-2"),
        "a list of Regions",
    ),
    "key of an import as text": (
        lambda stack, _: AtomicTable.from_table_name(stack, "it", "theirs", encryption_key="arn"),  # type: ignore[arg-type]
        "a KMS key",
    ),
    "id": (lambda stack, _: AtomicTable(stack, 5), "id is 5"),  # type: ignore[arg-type]
    "reader": (lambda _, table: table.grant_read("fn"), "str cannot be granted access to a table"),
    "writer": (lambda _, table: table.grant_read_write(None), "NoneType cannot be granted access to a table"),
    "grantee": (lambda _, table: table.grant("fn", "dynamodb:Scan"), "str cannot be granted"),
    "no action": (lambda stack, table: table.grant(function(stack)), "no actions"),
    "a list of actions": (
        lambda stack, table: table.grant(function(stack), ["dynamodb:Scan"]),
        "actions that are not text",
    ),
    "layer": (lambda stack, table: table.grant_read(function(stack), layer="no"), "layer is 'no'"),
    "alarm action": (lambda _, table: table.recommended_alarms("arn:aws:sns:…"), "no alarm action"),
    "a list of alarm actions": (lambda _, table: table.recommended_alarms([]), "no alarm action"),
}


@pytest.mark.parametrize(("call", "says"), CALLS_REFUSED.values(), ids=CALLS_REFUSED)
def test_arguments_of_another_type_are_refused(
    stack: cdk.Stack, call: Callable[[cdk.Stack, Any], object], says: str
) -> None:
    table = AtomicTable(stack, "locks")
    with pytest.raises(ConstructError, match=says):
        call(stack, table)


REPLICAS_REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "home Region": ({"replicas": ["us-east-1"]}, "another Region than us-east-1"),
    "twice": ({"replicas": ["us-west-2", "us-west-2"]}, "named once"),
    "keys without a key": (
        {"replicas": ["us-west-2"], "replica_keys": {"us-west-2": "arn"}},
        "without it none has one",
    ),
}


@pytest.mark.parametrize(("options", "says"), REPLICAS_REFUSED.values(), ids=REPLICAS_REFUSED)
def test_replicas_that_cannot_be_deployed(virginia: cdk.Stack, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConstructError, match=says):
        AtomicTable(virginia, "locks", **options)


def test_an_id_without_a_letter_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match="has no letter"):
        AtomicTable(stack, "--")


@pytest.mark.parametrize("kind", ["function", "role"])
def test_a_grantee_of_another_stage_is_refused(app: cdk.App, kind: str) -> None:
    home, other = (cdk.Stack(cdk.Stage(app, id), id) for id in ("Home", "Other"))
    role = iam.Role(other, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    grantee: iam.IGrantable = role if kind == "role" else function(other)
    table = AtomicTable(home, "locks")
    for grant in (table.grant_read, table.grant_read_write):
        with pytest.raises(ConstructError, match="Home/Home with the table are in different stages"):
            grant(grantee)
    AtomicTable.from_table_name(home, "theirs", "theirs").grant_read(grantee)
    app.synth()


def test_one_name_of_variables_for_both_blocks_is_refused(stack: cdk.Stack) -> None:
    fn = function(stack)
    AtomicTable(stack, "my-main").grant_read(fn)
    with pytest.raises(ConstructError, match="two blocks whose variables are both called BLOCKS_MY_MAIN"):
        DistributedDatabase(stack, "my.main").grant_connect(fn)
