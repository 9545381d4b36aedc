"""Deletion protection of clusters: it follows the removal policy, which is the same for both of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from aws_cdk import CfnDeletionPolicy, IAnyProducer, IResolveContext, Lazy, Stack
from constructs import IValidation

from blocks.shared.protection import Protectable, follows_removal_policy, validate_removal

if TYPE_CHECKING:
    from aws_cdk import aws_dsql as dsql

CLUSTER = Protectable("DSQL", "cluster", "AWS::DSQL::Cluster", "AWS Backup for snapshots, such as backup=")


def protect(cluster: dsql.CfnCluster, deletion_protection: bool | None) -> None:
    """Protect `cluster` as chosen; without a choice, unless its removal policy deletes it."""
    cluster.deletion_protection_enabled = (
        Lazy.uncached_any(_UnlessDeleted(cluster)) if deletion_protection is None else deletion_protection
    )
    validate_removal(
        CLUSTER, cluster, lambda: Stack.of(cluster).resolve(cluster.deletion_protection_enabled) is True
    )


def require_same_removal_policy(cluster: dsql.CfnCluster, peer: dsql.CfnCluster) -> None:
    """Refuse at synth that one cluster of a pair is deleted with its stack, and the other one is not."""
    cluster.node.add_validation(_SameRemovalPolicy(cluster, peer))


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
        return follows_removal_policy(self._cluster)
