"""Network paths: functions that cannot reach the cluster fail the synth, and the migrator waits for its own paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2

from blocks import DistributedDatabase
from tests.support.template_reader import Template, function, logical_id

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ec2.SubnetType
ENV = cdk.Environment(account="123456789012", region="us-east-1")


def network(stack: cdk.Stack, kind: ec2.SubnetType, *, endpoints: bool = False) -> ec2.Vpc:
    subnet = ec2.SubnetConfiguration(name="only", subnet_type=kind)
    subnets = [subnet]
    if kind is KINDS.PRIVATE_WITH_EGRESS:
        subnets.append(ec2.SubnetConfiguration(name="out", subnet_type=KINDS.PUBLIC))
    vpc = ec2.Vpc(
        stack,
        "Vpc",
        max_azs=1,
        nat_gateways=int(kind is KINDS.PRIVATE_WITH_EGRESS),
        subnet_configuration=subnets,
    )
    if endpoints:
        vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        vpc.add_interface_endpoint("Lambda", service=ec2.InterfaceVpcEndpointAwsService.LAMBDA_)
    return vpc


def cluster_endpoint(vpc: ec2.Vpc, db: DistributedDatabase) -> ec2.InterfaceVpcEndpoint:
    return vpc.add_interface_endpoint(
        "Cluster",
        service=ec2.InterfaceVpcEndpointService(db.vpc_endpoint_service_name, 5432),
        private_dns_enabled=True,
        subnets=ec2.SubnetSelection(one_per_az=True, subnets=vpc.isolated_subnets or vpc.public_subnets),
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [(KINDS.PRIVATE_ISOLATED, "isolated"), (KINDS.PUBLIC, "has no public address")],
    ids=["isolated", "public"],
)
def test_fails_for_a_function_without_a_path_to_the_cluster(
    stack: cdk.Stack, kind: ec2.SubnetType, words: str
) -> None:
    vpc = network(stack, kind)
    public: dict[str, Any] = {"allow_public_subnet": True} if kind is KINDS.PUBLIC else {}
    db = DistributedDatabase(stack, "main")
    db.grant_connect(function(stack, vpc=vpc, **public))
    with pytest.raises(RuntimeError, match=f"Bank/Fn cannot reach Bank/main: .*{words}") as refused:
        Template.of(stack)
    for way in ("PRIVATE_WITH_EGRESS", "private_endpoint=True", "leave the function out of the VPC"):
        assert way in str(refused.value)


@pytest.mark.parametrize("kind", [KINDS.PRIVATE_ISOLATED, KINDS.PUBLIC])
def test_fails_for_a_migrator_without_a_path(stack: cdk.Stack, kind: ec2.SubnetType) -> None:
    DistributedDatabase(stack, "main", migrator_vpc=network(stack, kind))
    with pytest.raises(RuntimeError, match="Bank/main/Migrator/Function cannot reach Bank/main") as refused:
        Template.of(stack)
    assert "cannot reach S3 and Lambda" in str(refused.value)


def test_fails_for_a_private_endpoint_without_an_interface_endpoint(stack: cdk.Stack) -> None:
    vpc = network(stack, KINDS.PRIVATE_ISOLATED, endpoints=True)
    DistributedDatabase(stack, "main", private_endpoint=True, migrator_vpc=vpc)
    with pytest.raises(RuntimeError, match="its VPC has no interface endpoint for the cluster"):
        Template.of(stack)


@pytest.mark.parametrize("kind", [KINDS.PRIVATE_ISOLATED, KINDS.PUBLIC])
def test_endpoints_are_a_path(stack: cdk.Stack, kind: ec2.SubnetType) -> None:
    vpc = network(stack, kind, endpoints=True)
    db = DistributedDatabase(stack, "main", private_endpoint=True, migrator_vpc=vpc)
    cluster_endpoint(vpc, db)
    public: dict[str, Any] = {"allow_public_subnet": True} if kind is KINDS.PUBLIC else {}
    db.grant_connect(function(stack, vpc=vpc, **public))
    Template.of(stack).order()


def own_route(vpc: ec2.Vpc) -> None:
    subnet = vpc.isolated_subnets[0]
    assert isinstance(subnet, ec2.Subnet)
    subnet.add_route("Transit", router_id="tgw-1", router_type=ec2.RouterType.TRANSIT_GATEWAY)


def own_l1_route(vpc: ec2.Vpc) -> None:
    ec2.CfnRoute(
        cdk.Stack.of(vpc),
        "Route",
        route_table_id=vpc.isolated_subnets[0].route_table.route_table_id,
        destination_cidr_block="0.0.0.0/0",
        transit_gateway_id="tgw-1",
    )


@pytest.mark.parametrize("add", [own_route, own_l1_route], ids=["subnet", "l1"])
def test_a_route_of_the_app_is_a_path(stack: cdk.Stack, add: Callable[[ec2.Vpc], None]) -> None:
    vpc = network(stack, KINDS.PRIVATE_ISOLATED)
    add(vpc)
    db = DistributedDatabase(stack, "main", migrator_vpc=vpc)
    db.grant_connect(function(stack, vpc=vpc))
    Template.of(stack).order()


def test_nat_gateways_and_vpcs_of_others_are_a_path(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Bank", env=ENV)
    other = ec2.Vpc.from_vpc_attributes(
        stack,
        "Other",
        vpc_id="vpc-1",
        availability_zones=["us-east-1a"],
        isolated_subnet_ids=["subnet-1"],
        isolated_subnet_route_table_ids=["rtb-1"],
    )
    for id, vpc in (("a", network(stack, KINDS.PRIVATE_WITH_EGRESS)), ("b", other)):
        db = DistributedDatabase(stack, id, migrator_vpc=vpc)
        db.grant_connect(function(stack, f"Fn{id}", vpc=vpc))
    Template.of(stack).order()


def needs(template: Template, id: str) -> set[str]:
    """Return all logical ids that a resource depends on, directly or not."""
    found: set[str] = set()
    new = {id}
    while new:
        new = {each for one in new for each in template._needs(template.resources[one])} - found
        found |= new
    return found


def standalone(stack: cdk.Stack, vpc: ec2.Vpc) -> Any:
    return ec2.GatewayVpcEndpoint(stack, "S3", vpc=vpc, service=ec2.GatewayVpcEndpointAwsService.S3)


def test_the_migrator_waits_for_all_endpoints_and_is_deleted_before_them(stack: cdk.Stack) -> None:
    vpc = network(stack, KINDS.PRIVATE_ISOLATED)
    db = DistributedDatabase(stack, "main", private_endpoint=True, migrator_vpc=vpc)
    fn = function(stack, vpc=vpc)
    db.grant_connect(fn)
    endpoints = [
        standalone(stack, vpc),
        vpc.add_interface_endpoint("Lambda", service=ec2.InterfaceVpcEndpointAwsService.LAMBDA_),
        cluster_endpoint(vpc, db),
    ]
    template = Template.of(stack)
    template.order()
    waits = needs(template, logical_id(db.migrator.migrated))
    assert {logical_id(each) for each in endpoints} <= waits


def test_the_migrator_waits_for_the_nat_gateway(stack: cdk.Stack) -> None:
    vpc = network(stack, KINDS.PRIVATE_WITH_EGRESS)
    db = DistributedDatabase(stack, "main", migrator_vpc=vpc)
    template = Template.of(stack)
    template.order()
    waits = needs(template, logical_id(db.migrator.migrated))
    assert set(template.ids("AWS::EC2::Route")) <= waits


def test_endpoints_of_a_later_stack_are_not_waited_for(app: cdk.App, stack: cdk.Stack) -> None:
    vpc = network(stack, KINDS.PRIVATE_WITH_EGRESS)
    db = DistributedDatabase(stack, "main", private_endpoint=True, migrator_vpc=vpc)
    later = cdk.Stack(app, "Later")
    ec2.InterfaceVpcEndpoint(
        later,
        "Cluster",
        vpc=vpc,
        service=ec2.InterfaceVpcEndpointService(db.vpc_endpoint_service_name, 5432),
    )
    Template.of(later)
