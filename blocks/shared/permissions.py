"""Permissions of roles that an app may not be allowed to change.

A role that was imported with `mutable=False`, or is of another account, ignores policies. `iam.Role.customize_roles`
does so for all roles below a scope, and lists what they need in `iam-policy-report.json`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import jsii
from aws_cdk import Annotations, Stack, Token
from aws_cdk import aws_iam as iam

from blocks.shared.errors import ConstructError
from blocks.shared.grantees import name_of, principal_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from constructs import Construct

Block: TypeAlias = Literal["dsql", "table"]
"""Part of the ids of warnings that names the block."""

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


def check_actions(path: str, actions: Sequence[object], service: str, example: str) -> None:
    """Check the arguments of `grant()` of the construct `path`: IAM actions of its service.

    Raises:
        ConstructError: there are no actions, or one is not text or of another service.
    """
    texts = [each for each in actions if isinstance(each, str)]
    other = [each for each in texts if not _is_of(service, each)]
    if actions and len(texts) == len(actions) and not other:
        return
    if other:
        given = f"the action {other[0]}, which is not one of {service}"
    else:
        given = "actions that are not text" if actions else "no actions"
    raise ConstructError(
        f"grant() of {path} has {given}",
        f"each argument is an IAM action of {service}, on this resource alone",
        f"write {example}",
    )


def _is_of(service: str, action: str) -> bool:
    return Token.is_unresolved(action) or action.lower().startswith(f"{service}:")


def allow(
    scope: Construct,
    grantee: iam.IGrantable,
    actions: Sequence[str],
    resource: str,
    *,
    block: Block,
    further: Sequence[iam.PolicyStatement] = (),
) -> iam.Grant:
    """Allow `grantee` the IAM `actions` on `resource` as the CDK does; warn if it cannot be given them.

    `further` are statements that it lacks as well then.
    """
    checked = cast("iam.IGrantable", _CheckedPrincipal(scope, grantee, block, further))
    return iam.Grant.add_to_principal(grantee=checked, actions=list(actions), resource_arns=[resource])


def add_statement(
    scope: Construct,
    principal: iam.IPrincipal,
    statement: iam.PolicyStatement,
    *,
    name: str,
    block: Block,
    further: Sequence[iam.PolicyStatement] = (),
) -> iam.AddToPrincipalPolicyResult:
    """Add a statement to the policies of `principal` as the CDK does; warn if it ignores them."""
    result = principal.add_to_principal_policy(statement)
    # A role of the app has it, or is listed in the report of `customize_roles`; of an unknown one the CDK warns.
    is_known = isinstance(principal, iam.Role | iam.LazyRole | iam.User | iam.UnknownPrincipal)
    is_added = result.statement_added and isinstance(result.policy_dependable, iam.Policy | iam.ManagedPolicy)
    if not is_known and not is_added:
        warn_of_missing_permissions(scope, principal, [statement, *further], name=name, block=block)
    return result


@jsii.implements(iam.IPrincipal)
class _CheckedPrincipal:
    def __init__(
        self,
        scope: Construct,
        grantee: iam.IGrantable,
        block: Block,
        further: Sequence[iam.PolicyStatement],
    ) -> None:
        self._scope = scope
        self._principal = principal_of(grantee)
        self._name = name_of(grantee)
        self._block: Block = block
        self._further = further

    @property
    def grant_principal(self) -> iam.IPrincipal:
        return cast("iam.IPrincipal", self)

    @property
    def assume_role_action(self) -> str:
        return self._principal.assume_role_action

    @property
    def policy_fragment(self) -> iam.PrincipalPolicyFragment:
        return self._principal.policy_fragment

    @property
    def principal_account(self) -> str | None:
        return self._principal.principal_account

    def add_to_principal_policy(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        return add_statement(
            self._scope,
            self._principal,
            statement,
            name=self._name,
            block=self._block,
            further=self._further,
        )


def warn_of_missing_permissions(
    scope: Construct,
    principal: iam.IPrincipal,
    statements: Iterable[iam.PolicyStatement],
    *,
    name: str | None = None,
    block: Block = "dsql",
) -> None:
    """Warn that a role or user was not given the permissions of `statements`, which are listed as JSON.

    References are written as `(logical id.attribute)`, as in the report of `customize_roles`, which lists the roles
    of the app itself. `name` is the path of what runs as the role. Default: the path of `scope`.
    """
    if isinstance(principal, iam.Role):
        return
    stack = Stack.of(scope)
    document = json.dumps(
        _readable(stack.resolve(iam.PolicyDocument(statements=list(statements)))), sort_keys=True
    )
    values = ""
    if "(" in document:
        values = f"; in place of each name in parentheses write its value, a resource of the stack {stack.node.path}"
    Annotations.of(scope).add_warning_v2(
        f"@blocks/{block}:permissionsByHand",
        f"{name or scope.node.path} has an IAM identity that this app cannot change: give it {document}{values}",
    )


def warn_of_other_account(
    scope: Construct, grantee: iam.IGrantable, *, block: Block, fault: str, remedy: str
) -> None:
    """Warn about a grantee of another account: its permission cannot be added here, and would not be enough.

    `fault` is why not, and `remedy` what else to do than to grant to a role of the account of `scope`.
    """
    home, theirs = Stack.of(scope).account, getattr(principal_of(grantee), "principal_account", None)
    if theirs is None or home == theirs or Token.is_unresolved(home) or Token.is_unresolved(theirs):
        return
    Annotations.of(scope).add_warning_v2(
        f"@blocks/{block}:otherAccount",
        f"{scope.node.path} is in account {home} and is granted to a role of account {theirs}, whose permissions "
        f"cannot be changed here, and {fault}: grant to a role of account {home} that the other role may "
        f"assume{remedy}",
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
