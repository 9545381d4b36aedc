"""Deletion protection of clusters, and its agreement with the removal policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from aws_cdk import CfnDeletionPolicy, IAnyProducer, IResolveContext, Lazy, RemovalPolicy, Stack
from constructs import IValidation

from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from aws_cdk import aws_dsql as dsql

# DELETE deletes on every removal, RETAIN_EXCEPT_ON_CREATE after a failed first deploy.
_DELETING = (CfnDeletionPolicy.DELETE, CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE)


def check_protection(removal_policy: RemovalPolicy, deletion_protection: bool | None) -> None:
    """Refuse a removal policy that CloudFormation could not carry out.

    Raises:
        ConstructError: the policy deletes a protected cluster, or asks for a snapshot.
    """
    if removal_policy is RemovalPolicy.SNAPSHOT:
        raise ConstructError(
            "removal_policy=RemovalPolicy.SNAPSHOT does not work for a DSQL cluster",
            "CloudFormation takes no snapshot of AWS::DSQL::Cluster",
            "choose RETAIN or DESTROY, and AWS Backup for snapshots",
        )
    if removal_policy is RemovalPolicy.DESTROY and deletion_protection:
        raise ConstructError(
            "removal_policy=RemovalPolicy.DESTROY contradicts deletion_protection=True",
            "DSQL refuses to delete a protected cluster, so deleting the stack would fail halfway",
            "leave deletion_protection out if the stack is to delete its cluster, or choose RETAIN",
        )
    if removal_policy is RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE and deletion_protection is not False:
        raise ConstructError(
            "removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE contradicts a protected cluster",
            "a failed first deploy deletes the cluster, DSQL refuses that, and the stack is stuck",
            "pass deletion_protection=False, or choose RETAIN",
        )


def follow_removal_policy(cluster: dsql.CfnCluster) -> None:
    """Protect `cluster` unless its removal policy deletes it; aspects may change the policy until synthesis."""
    cluster.deletion_protection_enabled = Lazy.uncached_any(_UnlessDeleted(cluster))


def validate_removal(cluster: dsql.CfnCluster) -> None:
    """Refuse at synth a removal policy, perhaps set by an aspect, that deletes a protected cluster or snapshots one."""
    cluster.node.add_validation(_RemovalValidation(cluster))


def require_same_removal_policy(cluster: dsql.CfnCluster, peer: dsql.CfnCluster) -> None:
    """Refuse at synth that one cluster of a pair is deleted with its stack, and the other one is not."""
    cluster.node.add_validation(_SameRemovalPolicy(cluster, peer))


@jsii.implements(IValidation)
class _RemovalValidation:
    def __init__(self, cluster: dsql.CfnCluster) -> None:
        self._cluster = cluster

    def validate(self) -> list[str]:
        cluster, policy = self._cluster, self._cluster.cfn_options.deletion_policy
        if policy is CfnDeletionPolicy.SNAPSHOT:
            return [
                "CloudFormation takes no snapshot of AWS::DSQL::Cluster; choose RETAIN or DESTROY, and "
                "back the cluster up with backup="
            ]
        protected = Stack.of(cluster).resolve(cluster.deletion_protection_enabled) is True
        if not (protected and policy in _DELETING):
            return []
        return [
            f"the deletion policy {policy.name} contradicts deletion protection: the stack could not delete its "
            "cluster and would be stuck; pass deletion_protection=False, or choose RETAIN"
        ]


@jsii.implements(IValidation)
class _SameRemovalPolicy:
    def __init__(self, *clusters: dsql.CfnCluster) -> None:
        self._clusters = clusters

    def validate(self) -> list[str]:
        deleted = {
            cluster.cfn_options.deletion_policy is CfnDeletionPolicy.DELETE for cluster in self._clusters
        }
        if len(deleted) == 1:
            return []
        return [
            f"of the clusters {' and '.join(cluster.node.path for cluster in self._clusters)} one is deleted with its "
            "stack and one is not, but DSQL deletes both of a pair or none; apply the same removal policy to both, as "
            "the option removal_policy does"
        ]


@jsii.implements(IAnyProducer)
class _UnlessDeleted:
    def __init__(self, cluster: dsql.CfnCluster) -> None:
        self._cluster = cluster

    def produce(self, context: IResolveContext) -> bool:
        return self._cluster.cfn_options.deletion_policy is not CfnDeletionPolicy.DELETE
