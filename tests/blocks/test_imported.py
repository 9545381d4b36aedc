"""A cluster that was there before: what is known of it, and what only its owner can do."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dsql as dsql
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match

from blocks import ConstructError, DistributedDatabase, ImportedDatabase
from tests.support.every_option import MIGRATIONS
from tests.support.template_reader import Template, function

IDENTIFIER = "abcdefghijklmnopqrstuvwxyz"


def test_arn_and_endpoint_follow_from_the_identifier_in_any_partition(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_identifier(stack, "main", IDENTIFIER)
    assert db.cluster_identifier == IDENTIFIER
    parts = stack.resolve(db.cluster_arn)["Fn::Join"][1]
    assert {"Ref": "AWS::Partition"} in parts
    assert parts[-1] == f":cluster/{IDENTIFIER}"
    assert stack.resolve(db.cluster_endpoint)["Fn::Join"][1][0] == f"{IDENTIFIER}.dsql."


def test_given_attributes_are_kept(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_attributes(
        stack,
        "main",
        cluster_identifier=IDENTIFIER,
        cluster_endpoint="db.example.com",
        vpc_endpoint_service_name="com.amazonaws.vpce.x",
    )
    assert (db.cluster_endpoint, db.vpc_endpoint_service_name) == ("db.example.com", "com.amazonaws.vpce.x")


ARN = f"arn:aws:dsql:us-east-1:123456789012:cluster/{IDENTIFIER}"


def test_an_arn_names_the_cluster(app: cdk.App, stack: cdk.Stack) -> None:
    home = cdk.Stack(app, "Home", env=cdk.Environment(account="123456789012", region="us-east-1"))
    db = DistributedDatabase.from_cluster_arn(home, "main", ARN)
    assert (db.cluster_identifier, db.cluster_endpoint) == (
        IDENTIFIER,
        f"{IDENTIFIER}.dsql.us-east-1.on.aws",
    )
    later = DistributedDatabase.from_cluster_arn(stack, "main", cdk.Fn.import_value("arn"))
    split = {"Fn::Split": ["/", {"Fn::ImportValue": "arn"}]}
    assert stack.resolve(later.cluster_identifier) == {"Fn::Select": [1, split]}


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        (IDENTIFIER, "is imported with the cluster_arn"),
        (ARN.replace("us-east-1", "eu-west-1"), "from the region eu-west-1"),
        (ARN.replace("123456789012", "210987654321"), "from the account 210987654321"),
    ],
)
def test_fails_for_another_arn(app: cdk.App, arn: str, message: str) -> None:
    home = cdk.Stack(app, "Home", env=cdk.Environment(account="123456789012", region="us-east-1"))
    with pytest.raises(ConstructError, match=message):
        DistributedDatabase.from_cluster_arn(home, "main", arn)


def test_a_lookup_asks_the_cdk_command_for_endpoint_and_service_name(app: cdk.App) -> None:
    home = cdk.Stack(app, "Home", env=cdk.Environment(account="123456789012", region="us-east-1"))
    DistributedDatabase.from_lookup(home, "main", cluster_identifier=IDENTIFIER)
    manifest = Path(app.synth(force=True).directory, "manifest.json").read_text(encoding="utf-8")
    (asked,) = json.loads(manifest)["missing"]
    assert asked["provider"] == "cc-api-provider"
    assert asked["props"]["typeName"] == "AWS::DSQL::Cluster"
    assert asked["props"]["exactIdentifier"] == IDENTIFIER
    answer = [{"Endpoint": "db.example.com", "VpcEndpointServiceName": "com.amazonaws.vpce.x"}]
    again = cdk.Stack(
        cdk.App(context={asked["key"]: answer}),
        "Home",
        env=cdk.Environment(account="123456789012", region="us-east-1"),
    )
    db = DistributedDatabase.from_lookup(again, "main", cluster_identifier=IDENTIFIER)
    assert (db.cluster_endpoint, db.vpc_endpoint_service_name) == ("db.example.com", "com.amazonaws.vpce.x")


def test_fails_for_a_lookup_by_a_token(stack: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="known on deploy only"):
        DistributedDatabase.from_lookup(stack, "main", cluster_identifier=cdk.Fn.import_value("id"))


def test_its_migrator_has_the_same_options(stack: cdk.Stack) -> None:
    """Such as the network, without which a policy on the cluster would keep the migrator out."""
    db = DistributedDatabase.from_cluster_attributes(
        stack,
        "main",
        cluster_identifier=IDENTIFIER,
        migrations=MIGRATIONS,
        migrator_vpc=ec2.Vpc(stack, "Vpc", max_azs=1),
        migrator_memory=cdk.Size.mebibytes(1024),
    )
    assert isinstance(db, ImportedDatabase)
    assert db.migrator is not None
    properties = Template.of(stack).named(db.migrator.function)["Properties"]
    assert properties["MemorySize"] == 1024
    assert "VpcConfig" in properties


@pytest.mark.parametrize("with_endpoint", [True, False])
def test_a_cluster_of_another_stack_is_granted_like_an_own_one(app: cdk.App, with_endpoint: bool) -> None:
    platform, notes = cdk.Stack(app, "Platform"), cdk.Stack(app, "Notes")
    cluster = dsql.CfnCluster(platform, "Cluster")
    db = DistributedDatabase.from_cluster_attributes(
        notes,
        "main",
        cluster_identifier=cluster.attr_identifier,
        cluster_endpoint=cluster.attr_endpoint if with_endpoint else None,
        migrations=MIGRATIONS,
        migrator_service_timeout=cdk.Duration.minutes(30),
    )
    fn = function(notes)
    db.grant_connect(fn)
    template = Template.of(notes)
    template.order()
    assert isinstance(db, ImportedDatabase)
    assert db.migrator is not None
    variables = template.named(db.migrator.function)["Properties"]["Environment"]["Variables"]
    (grant,) = template.grants()
    assert grant["Endpoint"] == variables["BLOCKS_MAIN_ENDPOINT"]
    assert variables["BLOCKS_MAIN_ROLE"] == "admin"
    assert template.the("Custom::DsqlGrant")["Properties"]["ServiceTimeout"] == "1800"
    later = function(cdk.Stack(app, "Later"))
    db.grant_connect(later)
    Template.of(cdk.Stack.of(later)).order()
    Template.of(platform).order()


def test_fails_for_options_without_a_migrator(stack: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="main has migrator_tracing, but no migrations"):
        DistributedDatabase.from_cluster_attributes(
            stack, "main", cluster_identifier=IDENTIFIER, migrator_tracing=lambda_.Tracing.ACTIVE
        )


def test_fails_for_unknown_attributes(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_identifier(stack, "main", IDENTIFIER)
    with pytest.raises(ConstructError, match="has no vpc_endpoint_service_name") as refused:
        _ = db.vpc_endpoint_service_name
    assert "from_cluster_attributes" in refused.value.remedy


def test_a_grant_sets_iam_and_variables_and_warns_about_the_mapping(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_identifier(stack, "main", IDENTIFIER)
    fn = function(stack)
    db.grant_connect(fn)
    template = Template.of(stack)
    assert template.ids("AWS::DSQL::Cluster") == template.ids("Custom::DsqlMigrations") == []
    assert (
        template.named(fn)["Properties"]["Environment"]["Variables"]["BLOCKS_MAIN_ROLE"]
        == "blocks_main_read_write"
    )
    assert [actions for _, actions, _ in template.statements()] == [("dsql:DbConnect",)]
    Annotations.from_stack(stack).has_warning(
        "/Bank/main",
        Match.string_like_regexp("run AWS IAM GRANT blocks_main_read_write TO .*roleMappingByHand"),
    )


def migrated(scope: cdk.Stack, id: str) -> None:
    DistributedDatabase.from_cluster_attributes(
        scope, id, cluster_identifier=IDENTIFIER, migrations=MIGRATIONS
    )


@pytest.mark.parametrize("where", ["one stack", "two stacks", "nested stacks"])
def test_two_databases_do_not_migrate_one_cluster(app: cdk.App, stack: cdk.Stack, where: str) -> None:
    second = stack
    if where == "two stacks":
        second = cdk.Stack(app, "Second")
    if where == "nested stacks":
        second = cdk.NestedStack(stack, "Second")
    migrated(stack, "main")
    DistributedDatabase.from_cluster_identifier(second, "reader", IDENTIFIER)
    with pytest.raises(ConstructError, match=r"/main and .*/other migrate the same cluster"):
        migrated(second, "other")


def test_stages_may_migrate_a_cluster_each(app: cdk.App) -> None:
    """Two stages are two accounts, or one of them is deployed at a time."""
    for name in ("Beta", "Production"):
        migrated(cdk.Stack(cdk.Stage(app, name), "Data"), "main")
