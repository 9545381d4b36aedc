"""Encryption at rest with a customer managed KMS key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Annotations, Stack, Token
from aws_cdk import aws_iam as iam

from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct

_SERVICE = "dsql.amazonaws.com"

# AWS user guide, "Data encryption for Amazon Aurora DSQL", key policy.
_USE = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
_DESCRIBE = ("kms:DescribeKey",)


def allow_dsql(key: kms.IKey, database: Construct) -> None:
    """Allow DSQL to use `key` for clusters of the account and Region of `database`.

    The key's policy cannot name the cluster, whose identifier is not known yet. Clients need no permission on the key:
    DSQL uses it as a service. The policy of an imported key is its owner's; a warning lists the permissions to add.

    Raises:
        ConstructError: the key is in another Region.
    """
    _check_region(key, database)
    clusters = Stack.of(database).format_arn(service="dsql", resource="cluster", resource_name="*")
    added = [
        key.add_to_resource_policy(_statement(actions, clusters)).statement_added
        for actions in (_USE, _DESCRIBE)
    ]
    if not all(added):
        Annotations.of(database).add_warning_v2(
            "@blocks/dsql:keyPolicyByHand",
            f"{database.node.path} has an imported key, whose policy this app cannot change: allow {_SERVICE} "
            f"to call {', '.join((*_USE, *_DESCRIBE))}",
        )


def _check_region(key: kms.IKey, database: Construct) -> None:
    theirs, stack = key.env.region, Stack.of(database)
    if theirs == stack.region or Token.is_unresolved(theirs) or Token.is_unresolved(stack.region):
        return
    raise ConstructError(
        f"the encryption_key of {database.node.path} is in {theirs}",
        f"a cluster uses a key of its own Region, and this one is in {stack.region}",
        f"create the key in {stack.node.path}, or leave it out for a key that DSQL owns",
    )


def _statement(actions: tuple[str, ...], clusters: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal(_SERVICE)],
        actions=list(actions),
        resources=["*"],
        conditions={"StringLike": {"aws:SourceArn": clusters}},
    )
