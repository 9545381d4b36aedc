"""Permissions of roles that an app may not be allowed to change.

A role that was imported with `mutable=False`, or is of another account, ignores policies. `iam.Role.customize_roles`
does so for all roles below a scope, and lists what they need in `iam-policy-report.json`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from aws_cdk import Annotations, Stack
from aws_cdk import aws_iam as iam

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from constructs import Construct

_INTRINSICS = {"Ref", "Fn::GetAtt"}


def attach_policy(
    scope: Construct, id: str, role: iam.IRole, statements: Sequence[iam.PolicyStatement]
) -> iam.Policy:
    """Create a policy and attach it by the role itself, which knows whether it may be changed.

    `iam.Policy(roles=[role])` would attach it to every role. A policy that is not attached is not in the template.
    """
    policy = iam.Policy(scope, id, statements=statements)
    role.attach_inline_policy(policy)
    return policy


def is_attached(policy: iam.Policy) -> bool:
    """Return whether a role accepted the policy."""
    attached = Stack.of(policy).resolve(cast("iam.CfnPolicy", policy.node.default_child).roles)
    return bool(attached)


def warn_of_missing_permissions(
    scope: Construct,
    role: iam.IRole | iam.IUser,
    statements: Iterable[iam.PolicyStatement],
    *,
    name: str | None = None,
) -> None:
    """Warn that an imported role was not given the permissions of `statements`, which are listed as JSON.

    References are written as `(logical id.attribute)`, as in the report of `customize_roles`, which lists the roles
    of the app itself. `name` is the path of what runs as the role. Default: the path of `scope`.
    """
    if isinstance(role, iam.Role):
        return
    document = Stack.of(scope).resolve(iam.PolicyDocument(statements=list(statements)))
    Annotations.of(scope).add_warning_v2(
        "@blocks/dsql:permissionsByHand",
        f"{name or scope.node.path} runs as an imported role that this app cannot change: give it "
        f"{json.dumps(_readable(document), sort_keys=True)}",
    )


def _readable(value: object) -> object:
    if isinstance(value, list):
        return [_readable(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and "Fn::Join" in value:
        delimiter, parts = value["Fn::Join"]
        return delimiter.join(str(_readable(part)) for part in parts)
    if len(value) == 1 and _INTRINSICS & value.keys():
        (target,) = value.values()
        return f"({'.'.join(map(str, target)) if isinstance(target, list) else target})"
    return {key: _readable(each) for key, each in value.items()}
