"""Permissions of a grantee in a policy of their own, which is replaced and deleted after all updates of a deploy.

The CDK adds permissions to the default policy of a role, an `AWS::IAM::Policy`, which is changed in place before the
functions that depend on it. So a function that still runs would lose a permission before its new code is deployed.
`AWS::IAM::RolePolicy` has the create-only properties RoleName and PolicyName: a policy of a role with a new name, or
of another role, is another resource, and CloudFormation deletes the former one in its cleanup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import jsii
from aws_cdk import Aspects, CfnOutput, CfnResource, Fn, IAspect, Names, Stack
from aws_cdk import aws_iam as iam

from blocks.shared.grantees import outermost
from blocks.shared.outputs import output_id
from blocks.shared.permissions import add_statement, attach_policy, is_attached
from blocks.shared.removal import always_delete

if TYPE_CHECKING:
    from constructs import Construct, IConstruct

    from blocks.shared.grantees import Grantee

_LONGEST_NAME = 128
"""Characters of the name of an inline policy. Source: IAM API reference, PutRolePolicy."""

_STACK_ID = 36
"""Characters of the last part of a stack's ARN, a UUID."""


@jsii.implements(iam.IPrincipal)
class OwnPolicy:
    """Principal of a grantee whose statements are a policy of their own, if its role may be changed.

    Users, and roles that `iam.Role.customize_roles` replaces, get statements as the CDK adds them. A role that ignores
    them gives a warning.
    """

    def __init__(self, scope: Construct, grantee: Grantee, home: Stack, *, is_first: bool = False) -> None:
        """Take the scope of the policy, and the stack of the resource that the statements are about.

        `is_first` tells that the stack of `scope` is deployed before `home`. Default: it is `home`, or deployed after.
        """
        self._scope = scope
        self._grantee = grantee
        self._home = None if is_first else home
        self._role = _changeable_role(scope, grantee.principal)
        self._document = iam.PolicyDocument()
        self.policy: iam.CfnRolePolicy | None = None

    @property
    def grant_principal(self) -> iam.IPrincipal:
        return cast("iam.IPrincipal", self)

    @property
    def assume_role_action(self) -> str:
        return self._grantee.principal.assume_role_action

    @property
    def policy_fragment(self) -> iam.PrincipalPolicyFragment:
        return self._grantee.principal.policy_fragment

    @property
    def principal_account(self) -> str | None:
        return self._grantee.principal.principal_account

    def add_to_principal_policy(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        """Allow the statement; the CDK writes each statement of a policy once."""
        role = self._role
        if role is None:
            return self._add_as_cdk_does(statement)
        if self.policy is None:
            self.policy = self._make_policy(role)
        self._document.add_statements(statement)
        theirs = Stack.of(role)
        if theirs is self._home and theirs is not Stack.of(self._scope):
            # Its stack is deployed first. Until this one follows, the statement must also be where an earlier release
            # had it.
            role.add_to_principal_policy(statement)
        return iam.AddToPrincipalPolicyResult(statement_added=True, policy_dependable=self.policy)

    def _make_policy(self, role: iam.IRole) -> iam.CfnRolePolicy:
        here, theirs = Stack.of(self._scope), Stack.of(role)
        policy = iam.CfnRolePolicy(
            self._scope,
            "Policy",
            role_name=role.role_name if theirs is here else _name_elsewhere(self._scope, role),
            policy_name=_policy_name(self._scope, role),
            policy_document=self._document,
        )
        always_delete(policy)
        if theirs is here:
            Aspects.of(policy).add(_BeforeDefaultPolicy(role, policy))
        return policy

    def _add_as_cdk_does(self, statement: iam.PolicyStatement) -> iam.AddToPrincipalPolicyResult:
        principal = principal_for_policies(self._scope, self._grantee.principal)
        return add_statement(self._scope, principal, statement, name=self._grantee.name, block="dsql")


def role_for_policies(scope: Construct, role: iam.IRole) -> iam.IRole:
    """Return `role` for policies in the stack of `scope`; a role of another stack is imported here.

    The CDK puts the policies of a role into the stack of the role, which is deployed first if this stack needs it.
    """
    if Stack.of(role) is Stack.of(scope) or _changeable_role(scope, role) is None:
        return role
    id = f"Role-{role.node.addr}"
    existing = scope.node.try_find_child(id)
    if existing is not None:
        return cast("iam.IRole", existing)
    return iam.Role.from_role_name(scope, id, _name_elsewhere(scope, role))


def principal_for_policies(scope: Construct, principal: iam.IRole | iam.IUser) -> iam.IRole | iam.IUser:
    """Return a role or user for policies in the stack of `scope`; one of another stack is imported here."""
    if hasattr(principal, "role_arn"):
        return role_for_policies(scope, cast("iam.IRole", principal))
    if not hasattr(principal, "user_arn") or Stack.of(principal) is Stack.of(scope):
        return principal
    id = f"User-{principal.node.addr}"
    existing = scope.node.try_find_child(id)
    if existing is not None:
        return cast("iam.IUser", existing)
    return iam.User.from_user_name(scope, id, _name_elsewhere(scope, principal))


def _changeable_role(scope: Construct, principal: iam.IRole | iam.IUser) -> iam.IRole | None:
    """Return the role if its policies may be changed; None for a user, and for a role that ignores policies."""
    role = principal.node.default_child if isinstance(principal, iam.LazyRole) else principal
    if isinstance(role, iam.Role):
        return role if isinstance(role.node.default_child, iam.CfnRole) else None
    if not hasattr(role, "role_arn"):
        return None
    imported = cast("iam.IRole", role)
    return imported if _accepts_policies(scope, imported) else None


def _accepts_policies(scope: Construct, role: iam.IRole) -> bool:
    """Return whether an imported role would attach a policy; the CDK tells it by attaching one only."""
    policy = attach_policy(scope, "Attached", role, [])
    attached = is_attached(policy)
    scope.node.try_remove_child(policy.node.id)
    return attached


def _policy_name(scope: Construct, role: iam.IRole) -> str:
    """Return a name for a policy of `scope`; on a role that its stack does not create it has the id of the stack.

    The same stack in another Region, or under another name, may give the same role a policy. With one name, the second
    deploy would be refused, and its deletion would take the permission of the first one.
    """
    stack = Stack.of(scope)
    if isinstance(role, iam.Role) and Stack.of(role) is stack:
        return Names.unique_resource_name(scope, max_length=_LONGEST_NAME)
    name = Names.unique_resource_name(scope, max_length=_LONGEST_NAME - _STACK_ID - 1)
    return f"{name}-{Fn.select(2, Fn.split('/', stack.stack_id))}"


def _name_elsewhere(scope: Construct, principal: iam.IRole | iam.IUser) -> str:
    """Return the name of a role or user of another stack, as the stack of `scope` can refer to it.

    It is read from an output. An export of the name could not be deleted together with the policy. The ARN is exported
    for the functions anyway, but where it has the name depends on the path, which an aspect or an override may change.
    """
    is_user = hasattr(principal, "user_name")
    name = cast("iam.IUser", principal).user_name if is_user else cast("iam.IRole", principal).role_name
    theirs, ours = outermost(Stack.of(principal)), outermost(Stack.of(scope))
    if not isinstance(principal, iam.Role | iam.User) or theirs is ours:
        return name
    ours.add_stack_dependency(theirs)
    id = output_id("UserName" if is_user else "RoleName", cast("CfnResource", principal.node.default_child))
    existing = theirs.node.try_find_child(id)
    output = CfnOutput(theirs, id, value=name) if existing is None else cast("CfnOutput", existing)
    return Fn.get_stack_output(theirs.stack_name, output.logical_id, theirs.region)


@jsii.implements(IAspect)
class _BeforeDefaultPolicy:
    """Makes the policies that the CDK created for a role wait for its policy here.

    An earlier release had the statement in one of them: it must not go before it is here.
    """

    def __init__(self, role: iam.IRole, policy: iam.CfnRolePolicy) -> None:
        self._role = role
        self._policy = policy

    def visit(self, node: IConstruct) -> None:
        del node
        for child in self._role.node.children:
            if isinstance(child, iam.Policy) and Stack.of(child) is Stack.of(self._policy):
                cast("CfnResource", child.node.default_child).add_resource_dependency(self._policy)
