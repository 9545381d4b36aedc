"""The function that peers the two clusters of a database, and the custom resource that invokes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import jsii
from aws_cdk import (
    CfnDeletionPolicy,
    CfnResource,
    CustomResource,
    Duration,
    IAnyProducer,
    IResolveContext,
    Lazy,
    RemovalPolicy,
    Stack,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from blocks import bundling
from blocks.shared.custom_resource import description, make_custom_resource, make_log_group, make_role
from blocks.shared.layers import code_of
from blocks.shared.permissions import attach_policy

if TYPE_CHECKING:
    from aws_cdk import aws_dsql as dsql
    from constructs import Node

    from blocks.database.peer import PeerCluster

RESOURCE_TYPE = "Custom::DsqlPeering"

_HANDLER = "lambda_peering.handler.handler"
_SERVICE = "dsql.amazonaws.com"
_SERVICE_LINKED_ROLE = f"aws-service-role/{_SERVICE}/AWSServiceRoleForAuroraDsql"


class PrimaryDatabase(Protocol):
    """A database with a cluster in its own stack."""

    @property
    def node(self) -> Node:
        """The node of its construct."""

    @property
    def cluster(self) -> dsql.CfnCluster:
        """The cluster in its own stack."""

    @property
    def cluster_arn(self) -> str:
        """The ARN of that cluster."""


class Peering(Construct):
    """Peers two clusters and waits until both are usable; on deletion, deletes the peer so that both can go.

    The function runs in the database's own Region and calls the control planes of both Regions; there is no function
    in the peer's or the witness's Region.
    """

    log_group: logs.ILogGroup
    """Log group of the function."""
    role: iam.IRole
    """IAM role of the function: it may configure these two clusters, and log in to neither."""
    function: lambda_.Function
    """The function that CloudFormation invokes."""
    resource: CustomResource
    """Complete once both clusters are usable."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        database: PrimaryDatabase,
        peer: PeerCluster,
        witness_region: str,
        removal_policy: RemovalPolicy,
        runtime: lambda_.Runtime,
        architecture: lambda_.Architecture,
    ) -> None:
        """Create the function and the custom resource.

        Args:
            scope: parent construct, the database.
            id: construct id.
            database: database with the first cluster, in this stack.
            peer: second cluster.
            witness_region: third Region.
            removal_policy: removal policy of the log group.
            runtime: Python runtime.
            architecture: processor architecture.
        """
        super().__init__(scope, id)
        self._cluster, self._peer, self._witness_region = database.cluster, peer, witness_region
        self.log_group = make_log_group(self, removal_policy)
        self.role = make_role(self, f"Peers the clusters of the database {database.node.id}")
        granted = self.log_group.grant_write(self.role).principal_statements
        self.function = lambda_.Function(
            self,
            "Function",
            code=code_of(bundling.peering()),
            handler=_HANDLER,
            runtime=runtime,
            architecture=architecture,
            memory_size=256,
            timeout=Duration.minutes(15),
            role=self.role,
            log_group=self.log_group,
            description=description(f"Peers the clusters of the database {database.node.id}"),
        )
        self.resource = make_custom_resource(
            self,
            RESOURCE_TYPE,
            function=self.function,
            role=self.role,
            properties={
                "Database": database.node.id,
                "PrimaryCluster": database.cluster_arn,
                "PeerCluster": peer_arn(peer),
                "WitnessRegion": witness_region,
                "OnDelete": Lazy.uncached_any(_OnDelete(database.cluster, peer.cluster)),
            },
            granted=granted,
        )
        self.resource.node.add_dependency(self._permissions())

    @property
    def peered(self) -> CfnResource:
        """The L1 custom resource."""
        return cast("CfnResource", self.resource.node.default_child)

    def _permissions(self) -> iam.Policy:
        """Allow the actions that UpdateCluster is authorized for, on these two clusters; deletion only if it is needed.

        PutWitnessRegion is authorized on the cluster in its own Region and in the witness's (API reference,
        UpdateCluster, "Required permissions").
        """
        arns = [self._cluster.attr_resource_arn, peer_arn(self._peer)]
        witnessed = [
            _in_region(self._witness_region, self._cluster),
            self._peer.export_value("WitnessedArn", _in_region(self._witness_region, self._peer.cluster)),
        ]
        document = _Permissions(
            deletes=_OnDelete(self._cluster, self._peer.cluster),
            clusters=arns,
            witnessed=witnessed,
            witness_region=self._witness_region,
            service_linked_role=Stack.of(self).format_arn(
                service="iam", region="", resource="role", resource_name=_SERVICE_LINKED_ROLE
            ),
        )
        statements = [iam.PolicyStatement.from_json(each) for each in document.statements()]
        policy = attach_policy(self, "Permissions", self.role, statements)
        cast("iam.CfnPolicy", policy.node.default_child).policy_document = Lazy.uncached_any(document)
        return policy


def peer_arn(peer: PeerCluster) -> str:
    """Return the ARN of the peer's cluster, as the stack of the database can refer to it."""
    return peer.export_value("ClusterArn", peer.cluster_arn)


def _in_region(region: str, cluster: dsql.CfnCluster) -> str:
    """Return the ARN of the cluster that permissions are checked on in another Region."""
    return Stack.of(cluster).format_arn(
        service="dsql", region=region, resource="cluster", resource_name=cluster.attr_identifier
    )


@jsii.implements(IAnyProducer)
class _OnDelete:
    """Renders DELETE if the stacks delete both clusters, else RETAIN; aspects may change it until synthesis."""

    def __init__(self, *clusters: dsql.CfnCluster) -> None:
        self._clusters = clusters

    def produce(self, context: IResolveContext) -> str:
        del context
        return self.value()

    def value(self) -> str:
        """Return the value by the current removal policies."""
        policies = {cluster.cfn_options.deletion_policy for cluster in self._clusters}
        return "DELETE" if policies == {CfnDeletionPolicy.DELETE} else "RETAIN"


@jsii.implements(IAnyProducer)
class _Permissions:
    """Policy of the peering function."""

    def __init__(
        self,
        *,
        deletes: _OnDelete,
        clusters: list[str],
        witnessed: list[str],
        witness_region: str,
        service_linked_role: str,
    ) -> None:
        self._deletes = deletes
        self._clusters = clusters
        self._witnessed = witnessed
        self._witness_region = witness_region
        self._service_linked_role = service_linked_role

    def produce(self, context: IResolveContext) -> object:
        return context.resolve({"Version": "2012-10-17", "Statement": self.statements()})

    def statements(self) -> list[dict[str, object]]:
        """Return the statements by the current removal policies."""
        configure = [
            *("dsql:AddPeerCluster", "dsql:GetCluster"),
            *("dsql:PutMultiRegionProperties", "dsql:UpdateCluster"),
        ]
        statements: list[dict[str, object]] = [
            {"Effect": "Allow", "Action": configure, "Resource": self._clusters},
            {
                "Effect": "Allow",
                "Action": "dsql:PutWitnessRegion",
                "Resource": [*self._clusters, *self._witnessed],
                "Condition": {"StringEquals": {"dsql:WitnessRegion": self._witness_region}},
            },
            {
                "Effect": "Allow",
                "Action": "iam:CreateServiceLinkedRole",
                "Resource": self._service_linked_role,
                "Condition": {"StringEquals": {"iam:AWSServiceName": _SERVICE}},
            },
        ]
        if self._deletes.value() == "DELETE":
            statements.append(
                {"Effect": "Allow", "Action": "dsql:DeleteCluster", "Resource": self._clusters[1]}
            )
        return statements
