"""A cluster that was there before: what is known of it, and what only its owner can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aws_cdk.assertions import Annotations, Match

from blocks import ConstructError, DistributedDatabase
from tests.blocks.templates import Template, function

if TYPE_CHECKING:
    import aws_cdk as cdk

IDENTIFIER = "abcdefghijklmnopqrstuvwxyz"


def test_arn_and_endpoint_follow_from_the_identifier_in_any_partition(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_identifier(stack, "main", IDENTIFIER)
    assert db.cluster_identifier == IDENTIFIER
    parts = stack.resolve(db.cluster_arn)["Fn::Join"][1]
    assert {"Ref": "AWS::Partition"} in parts
    assert parts[-1] == f":cluster/{IDENTIFIER}"
    assert stack.resolve(db.cluster_endpoint)["Fn::Join"][1][0] == f"{IDENTIFIER}.dsql."


def test_what_is_given_is_kept(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_attributes(
        stack,
        "main",
        cluster_identifier=IDENTIFIER,
        cluster_endpoint="db.example.com",
        vpc_endpoint_service_name="com.amazonaws.vpce.x",
    )
    assert (db.cluster_endpoint, db.vpc_endpoint_service_name) == ("db.example.com", "com.amazonaws.vpce.x")


def test_fails_for_what_is_not_known(stack: cdk.Stack) -> None:
    db = DistributedDatabase.from_cluster_identifier(stack, "main", IDENTIFIER)
    with pytest.raises(ConstructError, match="has no vpc_endpoint_service_name") as refused:
        _ = db.vpc_endpoint_service_name
    assert "from_cluster_attributes" in refused.value.remedy


def test_a_grant_on_it_is_iam_and_variables_and_says_what_is_left_to_do(stack: cdk.Stack) -> None:
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
