"""The findings of cdk-nag that stay, each with its reason, and the only ones.

They are written where cdk-nag 3 looks for them (`Validations`, in the CDK itself) and where cdk-nag 2 does (the
metadata of the resource), so an app needs no list of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, CfnResource, Validations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import IConstruct

BACKUP_POLICY = "service-role/AWSBackupServiceRolePolicyForBackup"

BACKUP = f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{BACKUP_POLICY}]"
ANY_RESOURCE = "AwsSolutions-IAM5[Resource::*]"

REASONS: Mapping[str, str] = {
    BACKUP: (
        "backup=: AWS Backup documents what it needs for DSQL as this policy and adds to it there; "
        "BackupPolicy.daily(role=…) takes one of yours"
    ),
    ANY_RESOURCE: (
        "migrator_tracing= and migrator_vpc=: X-Ray has no resource to name, and the network interfaces of a "
        "function have no name before Lambda makes them"
    ),
}


def acknowledge(construct: IConstruct, finding: str) -> None:
    """Acknowledge one finding on `construct` and what is below it.

    Raises:
        KeyError: the finding is not one of `REASONS`.
    """
    reason = REASONS[finding]
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))
    rule, _, applies_to = finding.removesuffix("]").partition("[")
    for child in construct.node.find_all():
        if isinstance(child, CfnResource):
            entry = {"id": rule, "reason": reason, "applies_to": [applies_to]}
            child.add_metadata("cdk_nag", {"rules_to_suppress": [entry]})
