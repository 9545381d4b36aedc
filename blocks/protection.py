"""Which clusters are protected from deletion: those that their stack shall not delete."""

from __future__ import annotations

import jsii
from aws_cdk import CfnDeletionPolicy, IAnyProducer, IResolveContext, Lazy, RemovalPolicy
from aws_cdk import aws_dsql as dsql

from blocks.errors import ConstructError


def check_protection(removal_policy: RemovalPolicy, deletion_protection: bool | None) -> None:
    """Refuse a removal policy that CloudFormation could not carry out.

    Raises:
        ConstructError: the cluster would have to be deleted and must not be, or a snapshot is asked for.
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
            "leave deletion_protection out to let the stack delete its cluster, or choose RETAIN",
        )


def follow_removal_policy(cluster: dsql.CfnCluster) -> None:
    """Protect `cluster` unless its stack deletes it, also where an aspect says so later."""
    cluster.deletion_protection_enabled = Lazy.uncached_any(_UnlessDeleted(cluster))


@jsii.implements(IAnyProducer)
class _UnlessDeleted:
    def __init__(self, cluster: dsql.CfnCluster) -> None:
        self._cluster = cluster

    def produce(self, context: IResolveContext) -> bool:
        return self._cluster.cfn_options.deletion_policy is not CfnDeletionPolicy.DELETE
