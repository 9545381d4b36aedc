"""Which clusters are protected from deletion: the table of removal policies."""

from __future__ import annotations

from aws_cdk import RemovalPolicy

from blocks.errors import ConstructError

_PROTECTED = {
    RemovalPolicy.RETAIN: True,
    RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE: True,
    RemovalPolicy.DESTROY: False,
}


def deletion_protection(removal_policy: RemovalPolicy, chosen: bool | None) -> bool:
    """Return whether DSQL shall refuse to delete a cluster with this removal policy; what was chosen wins.

    Raises:
        ConstructError: the cluster would have to be deleted and must not be, or a snapshot is asked for.
    """
    if removal_policy not in _PROTECTED:
        raise ConstructError(
            f"removal_policy=RemovalPolicy.{removal_policy.name} does not work for a DSQL cluster",
            "CloudFormation takes no snapshot of AWS::DSQL::Cluster",
            "choose RETAIN or DESTROY, and AWS Backup for snapshots",
        )
    if removal_policy is RemovalPolicy.DESTROY and chosen:
        raise ConstructError(
            "removal_policy=RemovalPolicy.DESTROY contradicts deletion_protection=True",
            "DSQL refuses to delete a protected cluster, so deleting the stack would fail halfway",
            "leave deletion_protection out to let the stack delete its cluster, or choose RemovalPolicy.RETAIN",
        )
    return _PROTECTED[removal_policy] if chosen is None else chosen
