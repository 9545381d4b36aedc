"""The host name that answers in a VPC alone: who gets it, and who could not use it."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2

from blocks import ConstructError, DistributedDatabase
from tests.support.template_reader import Template, function, logical_id
from tests.support.two_regions import database


def test_functions_and_the_migrator_connect_by_it(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1)
    db = DistributedDatabase(stack, "main", private_endpoint=True, migrator_vpc=vpc)
    fn = function(stack, vpc=vpc)
    db.grant_connect(fn)
    endpoint = vpc.add_interface_endpoint(
        "Cluster",
        service=ec2.InterfaceVpcEndpointService(db.vpc_endpoint_service_name, 5432),
        private_dns_enabled=True,
    )
    db.migrator.node.add_dependency(endpoint)
    template = Template.of(stack)
    private = {"Fn::GetAtt": [logical_id(db.cluster), "VpcEndpoint"]}
    variables = template.named(fn)["Properties"]["Environment"]["Variables"]
    assert variables["BLOCKS_MAIN_ENDPOINT"] == private
    assert template.named(db.migrator.migrated)["Properties"]["Endpoint"] == private
    assert stack.resolve(db.connection_endpoint) == private
    assert stack.resolve(db.cluster_endpoint)["Fn::GetAtt"][1] == "Endpoint"
    order = template.order()
    assert order.index(logical_id(endpoint)) < order.index(logical_id(db.migrator.migrated))


def test_each_region_has_its_own(virginia: cdk.Stack, ohio: cdk.Stack) -> None:
    here, there = (ec2.Vpc(each, "Vpc", max_azs=1) for each in (virginia, ohio))
    db = database(virginia, ohio, private_endpoint=True, migrator_vpc=here)
    fn = function(ohio, vpc=there)
    db.grant_connect(fn)
    assert db.peer is not None
    variables = Template.of(ohio).named(fn)["Properties"]["Environment"]["Variables"]
    assert variables["BLOCKS_MAIN_ENDPOINT"] == {"Fn::GetAtt": [logical_id(db.peer.cluster), "VpcEndpoint"]}


def test_fails_for_a_migrator_outside(stack: cdk.Stack) -> None:
    with pytest.raises(ConstructError, match="private_endpoint=True, but no migrator_vpc"):
        DistributedDatabase(stack, "main", private_endpoint=True)


@pytest.mark.parametrize("method", ["grant_connect", "grant_connect_admin"])
def test_fails_for_a_function_outside(stack: cdk.Stack, method: str) -> None:
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1)
    db = DistributedDatabase(stack, "main", private_endpoint=True, migrator_vpc=vpc)
    with pytest.raises(ConstructError, match="Bank/Fn is outside of a VPC") as refused:
        getattr(db, method)(function(stack))
    assert "vpc=" in refused.value.remedy
