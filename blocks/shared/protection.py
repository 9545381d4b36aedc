"""Deletion protection of what keeps data, and its agreement with the removal policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jsii
from aws_cdk import CfnDeletionPolicy, RemovalPolicy
from constructs import IValidation

from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_cdk import CfnResource

# DELETE deletes on every removal, RETAIN_EXCEPT_ON_CREATE after a failed first deploy.
_DELETING = (CfnDeletionPolicy.DELETE, CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE)


@dataclass(frozen=True, slots=True)
class Protectable:
    """A kind of resource with deletion protection, in the words of its messages."""

    service: str
    noun: str
    resource_type: str
    backup: str
    """Remedy for a snapshot, after "choose RETAIN or DESTROY"."""


def check_protection(
    kind: Protectable, removal_policy: RemovalPolicy, deletion_protection: bool | None
) -> None:
    """Refuse a removal policy that CloudFormation could not carry out.

    Raises:
        ConstructError: the policy deletes a protected resource, or asks for a snapshot.
    """
    if removal_policy is RemovalPolicy.SNAPSHOT:
        raise ConstructError(
            f"removal_policy=RemovalPolicy.SNAPSHOT does not work for a {kind.service} {kind.noun}",
            f"CloudFormation takes no snapshot of {kind.resource_type}",
            f"choose RETAIN or DESTROY, and {kind.backup}",
        )
    if removal_policy is RemovalPolicy.DESTROY and deletion_protection:
        raise ConstructError(
            "removal_policy=RemovalPolicy.DESTROY contradicts deletion_protection=True",
            f"{kind.service} refuses to delete a protected {kind.noun}, so deleting the stack would fail halfway",
            f"leave deletion_protection out if the stack is to delete its {kind.noun}, or choose RETAIN",
        )
    if removal_policy is RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE and deletion_protection is not False:
        raise ConstructError(
            f"removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE contradicts a protected {kind.noun}",
            f"a failed first deploy deletes the {kind.noun}, {kind.service} refuses that, and the stack is stuck",
            "pass deletion_protection=False, or choose RETAIN",
        )


def follows_removal_policy(resource: CfnResource) -> bool:
    """Return whether a resource without a choice is protected: unless its removal policy deletes it.

    Aspects may change the policy until synthesis, so call it when the template is rendered.
    """
    return resource.cfn_options.deletion_policy is not CfnDeletionPolicy.DELETE


def validate_removal(kind: Protectable, resource: CfnResource, is_protected: Callable[[], bool]) -> None:
    """Refuse at synth a removal policy, perhaps set by an aspect, that deletes a protected resource or snapshots it."""
    resource.node.add_validation(_RemovalValidation(kind, resource, is_protected))


@jsii.implements(IValidation)
class _RemovalValidation:
    def __init__(self, kind: Protectable, resource: CfnResource, is_protected: Callable[[], bool]) -> None:
        self._kind = kind
        self._resource = resource
        self._is_protected = is_protected

    def validate(self) -> list[str]:
        kind, policy = self._kind, self._resource.cfn_options.deletion_policy
        if policy is CfnDeletionPolicy.SNAPSHOT:
            return [
                f"CloudFormation takes no snapshot of {kind.resource_type}; choose RETAIN or DESTROY, and "
                f"{kind.backup}"
            ]
        if policy not in _DELETING or not self._is_protected():
            return []
        return [
            f"the deletion policy {policy.name} contradicts deletion protection: the stack could not delete its "
            f"{kind.noun} and would be stuck; pass deletion_protection=False, or choose RETAIN"
        ]
