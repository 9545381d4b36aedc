"""The CloudFormation resource of a cluster, the database's own or its peer's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_dsql as dsql

from blocks.database.encryption import allow_dsql
from blocks.database.protection import protect
from blocks.database.resource_policy import attach_policy

if TYPE_CHECKING:
    from aws_cdk import RemovalPolicy
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms
    from constructs import Construct


def connection_endpoint(cluster: dsql.CfnCluster, *, private: bool) -> str:
    """Return the host name to connect to.

    In a VPC the private one resolves to an interface endpoint with private DNS; the public one does not use it.
    Source: DSQL user guide, "Managing and connecting to Amazon Aurora DSQL clusters using AWS PrivateLink".
    """
    return cluster.attr_vpc_endpoint if private else cluster.attr_endpoint


def make_cluster(
    scope: Construct,
    *,
    removal_policy: RemovalPolicy,
    deletion_protection: bool | None,
    encryption_key: kms.IKey | None,
    resource_policy: iam.PolicyDocument,
    witness_region: str | None = None,
) -> dsql.CfnCluster:
    """Create the cluster of `scope` with its policies and validations.

    Args:
        scope: parent construct; the cluster is its default child.
        removal_policy: removal policy of the cluster.
        deletion_protection: whether DSQL refuses to delete it; None follows the removal policy.
        encryption_key: KMS key of its data at rest; None for one that DSQL owns.
        resource_policy: resource policy; statements added until synthesis count.
        witness_region: witness Region of a cluster with a peer. Default: none, it stays in one Region.
    """
    cluster = dsql.CfnCluster(
        scope,
        "Resource",
        kms_encryption_key=None if encryption_key is None else encryption_key.key_arn,
        multi_region_properties=None
        if witness_region is None
        else dsql.CfnCluster.MultiRegionPropertiesProperty(witness_region=witness_region),
    )
    cluster.apply_removal_policy(removal_policy)
    attach_policy(cluster, resource_policy)
    protect(cluster, deletion_protection)
    if encryption_key is not None:
        allow_dsql(encryption_key, scope)
    return cluster
