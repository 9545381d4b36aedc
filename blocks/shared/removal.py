"""Removal of resources that are access, not data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_cdk import CfnResource


def always_delete(resource: CfnResource) -> None:
    """Delete `resource` when it is removed or replaced, also below `RemovalPolicies.of(scope).retain()`.

    A retained mapping or policy would leave the access that the template no longer gives.
    """
    for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
        resource.add_override(policy, "Delete")
