"""Acknowledged findings of cdk-nag, each with its reason; there are no others.

They are written for cdk-nag 3 (`Validations`, in the CDK itself) and for cdk-nag 2 (metadata of the resource), so an
app needs no suppressions of its own.
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
        "backup=: AWS Backup documents this policy for DSQL and extends it as needed; "
        "BackupPolicy.daily(role=…) takes a role of your own"
    ),
    ANY_RESOURCE: (
        "migrator_tracing= and migrator_vpc=: X-Ray has no resource to name, and the network interfaces of a "
        "function have no name before Lambda creates them"
    ),
}


def acknowledge(construct: IConstruct, finding: str) -> None:
    """Acknowledge one finding on `construct` and its children.

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
