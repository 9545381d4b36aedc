"""A cluster that was there before: what is known of it, and what only its owner can do."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
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
