"""Network paths from functions in a VPC to a cluster; a path that the template proves to be missing fails the synth.

A function has no public address in a public subnet (AWS Lambda guide, "Giving Lambda functions access to resources in
an Amazon VPC"), and an isolated subnet has no route out of its VPC. From both only VPC endpoints can be reached, and
only the private host name of a cluster resolves to one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import jsii
from aws_cdk import IAspect, Reference, Stack, Tokenization
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_lambda as lambda_
from constructs import IValidation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from constructs import Construct, IConstruct, Node

_T = TypeVar("_T")

_CONNECTIVITY = (
    *(ec2.CfnVPCEndpoint, ec2.CfnRoute, ec2.CfnNatGateway),
    *(ec2.CfnSubnetRouteTableAssociation, ec2.CfnVPCGatewayAttachment),
)
"""Resources of a VPC without which a function in it loses a network path."""

_OTHER_SERVICES = {"S3": ".s3", "Lambda": ".lambda"}
"""Services that the migrator calls in addition to the cluster, and the ends of their endpoints' service names."""


class ReachableDatabase(Protocol):
    """A database with one kind of endpoint for all its functions."""

    @property
    def node(self) -> Node:
        """The node of its construct."""

    @property
    def private_endpoint(self) -> bool:
        """True if functions connect by a host name that resolves in a VPC only."""


@jsii.implements(IValidation)
class Reachability:
    """Validates at synth that all functions of one database can reach it."""

    def __init__(self, database: ReachableDatabase) -> None:
        self._database = database
        self._functions: dict[str, tuple[lambda_.Function, bool]] = {}

    def require(self, function: lambda_.Function, *, is_migrator: bool = False) -> None:
        """Refuse at synth that `function`, if it runs in a VPC, has no network path to the cluster."""
        if not function.is_bound_to_vpc:
            return
        if not self._functions:
            self._database.node.add_validation(self)
        self._functions[function.node.path] = (function, is_migrator)

    def validate(self) -> list[str]:
        placed = [
            (function, is_migrator, closed)
            for function, is_migrator in self._functions.values()
            if (closed := _closed_subnets(function))
        ]
        everything = self._database.node.root.node.find_all() if placed else []
        return [
            fault
            for function, is_migrator, closed in placed
            for fault in self._faults(function, is_migrator, closed, everything)
        ]

    def _faults(
        self,
        function: lambda_.Function,
        is_migrator: bool,
        closed: dict[str, ec2.Subnet],
        everything: list[IConstruct],
    ) -> Iterator[str]:
        stuck = {kind: subnet for kind, subnet in closed.items() if not _has_own_route(subnet, everything)}
        if not stuck:
            return
        kind, subnet = next(iter(stuck.items()))
        services = _services(cast("ec2.Vpc", subnet.node.scope), everything)
        if not (self._database.private_endpoint and any(_is_cluster(name) for name in services)):
            yield self._unreachable(function, kind)
        missing = [name for name, end in _OTHER_SERVICES.items() if not any(end in text for text in services)]
        if is_migrator and missing:
            yield _unreachable_services(function, missing, kind)

    def _unreachable(self, function: lambda_.Function, kind: str) -> str:
        path, private = self._database.node.path, self._database.private_endpoint
        lack = "its VPC has no interface endpoint for the cluster" if private else _WITHOUT_PRIVATE
        return (
            f"{function.node.path} cannot reach {path}: {kind}, and {lack}. Ways out: "
            "1. choose subnets with a NAT gateway (ec2.SubnetType.PRIVATE_WITH_EGRESS); "
            f"2. {'' if private else 'pass private_endpoint=True, and '}add vpc.add_interface_endpoint(…) with "
            "InterfaceVpcEndpointService(db.vpc_endpoint_service_name, 5432) and private_dns_enabled=True; "
            "3. leave the function out of the VPC"
        )


_WITHOUT_PRIVATE = "it connects by the public host name, which no VPC endpoint serves"


@jsii.implements(IAspect)
class WaitForConnectivity:
    """Makes a custom resource wait for the network paths of its function, and be deleted before them.

    Without them its response cannot be delivered, and CloudFormation waits for an hour. Resources of other stacks are
    left out: they may themselves depend on the stack of the database.
    """

    def __init__(self, resource: Construct, vpc: ec2.IVpc) -> None:
        self._resource = resource
        self._vpc = vpc

    def visit(self, node: IConstruct) -> None:
        if node.node.path != self._resource.node.path:
            return
        stack = Stack.of(self._resource)
        vpc = stack.resolve(self._vpc.vpc_id)
        for each in _of_types(stack.node.find_all(), _CONNECTIVITY):
            if Stack.of(each) is stack and _is_in(each, self._vpc, vpc):
                self._resource.node.add_dependency(each)


def _is_in(each: IConstruct, vpc: ec2.IVpc, vpc_id: object) -> bool:
    if each.node.path.startswith(f"{vpc.node.path}/"):
        return True
    return isinstance(each, ec2.CfnVPCEndpoint) and Stack.of(each).resolve(each.vpc_id) == vpc_id


def _closed_subnets(function: lambda_.Function) -> dict[str, ec2.Subnet]:
    """Return a subnet of each kind without a way out, of a VPC of this app, by the description of the kind."""
    config = cast("lambda_.CfnFunction", function.node.default_child).vpc_config
    ids = config.subnet_ids if isinstance(config, lambda_.CfnFunction.VpcConfigProperty) else None
    found: dict[str, ec2.Subnet] = {}
    for subnet in filter(None, map(_subnet, ids or [])):
        vpc = cast("ec2.Vpc", subnet.node.scope)
        for kind, subnets in (
            ("its subnets are isolated, without a route out of the VPC", vpc.isolated_subnets),
            ("its subnets are public, where a function has no public address", vpc.public_subnets),
        ):
            if subnet.node.path in {each.node.path for each in subnets}:
                found.setdefault(kind, subnet)
    return found


def _subnet(id: str) -> ec2.Subnet | None:
    """Return the subnet that an id refers to, if a `Vpc` of this app created it."""
    token = Tokenization.reverse_string(id).first_token
    if token is None or not Reference.is_reference(token):
        return None
    subnet = cast("Reference", token).target.node.scope
    return subnet if isinstance(subnet, ec2.Subnet) and isinstance(subnet.node.scope, ec2.Vpc) else None


def _has_own_route(subnet: ec2.Subnet, everything: list[IConstruct]) -> bool:
    """Return whether the app added a route to the subnet, such as one to a transit gateway or a NAT instance."""
    table = Stack.of(subnet).resolve(subnet.route_table.route_table_id)
    return any(
        Stack.of(subnet).resolve(each.route_table_id) == table
        for each in _of_types(everything, (ec2.CfnRoute,))
        if not each.gateway_id
    )


def _services(vpc: ec2.Vpc, everything: list[IConstruct]) -> list[str]:
    """Return the services of the VPC's endpoints, each as JSON with its expressions."""
    stack = Stack.of(vpc)
    return [
        json.dumps(stack.resolve(each.service_name))
        for each in _of_types(everything, (ec2.CfnVPCEndpoint,))
        if stack.resolve(each.vpc_id) == stack.resolve(vpc.vpc_id)
    ]


def _is_cluster(service: str) -> bool:
    """Return whether an endpoint may be that of a cluster, whose service name is mostly a reference."""
    return "dsql" in service or not any(each in service for each in ("com.amazonaws", "aws.api"))


def _unreachable_services(function: lambda_.Function, missing: list[str], kind: str) -> str:
    return (
        f"{function.node.path} cannot reach {' and '.join(missing)}: {kind}, and its VPC has no such endpoint; "
        "CloudFormation waits for the response in S3, and a long migration continues by Lambda. Add "
        'vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3) and '
        'vpc.add_interface_endpoint("Lambda", service=ec2.InterfaceVpcEndpointAwsService.LAMBDA_), or choose subnets '
        "with a NAT gateway, or leave migrator_vpc out"
    )


def _of_types(constructs: Iterable[IConstruct], types: tuple[type[_T], ...]) -> Iterator[_T]:
    return (each for each in constructs if isinstance(each, types))
