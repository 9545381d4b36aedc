"""Grantees: the IAM role or user that signs tokens, and the Lambda function that runs as it, if any."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aws_cdk import Reference, Stack, Token, Tokenization
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from constructs import IConstruct

# IAM user guide, "IAM identifiers": names and paths have no other characters.
_ROLE_OR_USER = re.compile(r"arn:[\w-]+:iam::\d{12}:(role|user)/[\w+=,.@/-]+")


@dataclass(frozen=True)
class Grantee:
    """An IAM role or user by its ARN, which may be a token, and the Lambda function that runs as it, if any.

    `principal` is the construct of the role or user, `stack` that of the grantee: of the function if there is one. A
    function that this app does not define, or not as a `Function`, is a foreign one.
    """

    name: str
    arn: str
    principal: iam.IRole | iam.IUser
    stack: Stack
    function: lambda_.Function | None
    is_foreign_function: bool


def resolve_grantee(grantee: iam.IGrantable) -> Grantee:
    """Return the role or user of `grantee`; an alias or a version counts as its function.

    Raises:
        ConstructError: the grantee has no IAM role or user whose ARN DSQL could map, or its ARN is that of something
            else.
    """
    name = name_of(grantee)
    principal = principal_of(grantee)
    arn = _arn(principal)
    if arn is None or not hasattr(principal, "node"):
        raise _no_role(name)
    if not isinstance(principal, iam.Role):
        _check_arn(name, arn)
    role, behind = cast("iam.IRole | iam.IUser", principal), function_behind(grantee)
    if isinstance(behind, lambda_.Function):
        return Grantee(name, arn, role, Stack.of(behind), behind, is_foreign_function=False)
    stack = Stack.of(cast("IConstruct", grantee) if hasattr(grantee, "node") else role)
    return Grantee(name, arn, role, stack, None, is_foreign_function=behind is not None)


def function_behind(grantee: iam.IGrantable) -> lambda_.IFunction | None:
    """Return the function that a grantee is, or is an alias or a version of; None for another construct.

    One that is not a `lambda_.Function` is not of this app, and cannot be configured.
    """
    # An alias and a version have their function as `lambda_`.
    behind = getattr(grantee, "lambda_", grantee)
    if isinstance(behind, lambda_.SingletonFunction):
        behind = _function_of(behind)
    return cast("lambda_.IFunction", behind) if hasattr(behind, "function_arn") else None


def principal_of(grantee: iam.IGrantable) -> iam.IPrincipal:
    """Return the principal that a policy would name.

    Raises:
        ConstructError: it is not an `IGrantable`, such as an L1 or a text.
    """
    principal = getattr(grantee, "grant_principal", None)
    if principal is None:
        raise _no_role(name_of(grantee))
    return cast("iam.IPrincipal", principal)


def principals_in(constructs: Iterable[object]) -> Iterator[iam.IRole | iam.IUser]:
    """Yield the roles and users that the constructs run as: each grantee's own, and the task role of an ECS service."""
    for construct in constructs:
        task_role = getattr(getattr(construct, "task_definition", None), "task_role", None)
        for grantee in (construct, task_role):
            principal = getattr(grantee, "grant_principal", None)
            if hasattr(principal, "node"):
                yield cast("iam.IRole | iam.IUser", principal)


def stack_of(grantee: iam.IGrantable) -> Stack | None:
    """Return the stack of `grantee`, which has its Region; None if it has none."""
    if hasattr(grantee, "node"):
        return Stack.of(cast("IConstruct", grantee))
    arn = _arn(principal_of(grantee))
    return None if arn is None else owner_of(arn)


def owner_of(arn: str) -> Stack | None:
    """Return the stack whose resource the ARN refers to, or None if it refers to none."""
    tokens = Tokenization.reverse_string(arn)
    if tokens.length != 1 or (token := tokens.first_token) is None or not Reference.is_reference(token):
        return None
    return Stack.of(cast("Reference", token).target)


def can_be_named(arn: str, stack: Stack) -> bool:
    """Return whether `stack` can refer to an ARN: it is a text, or of a resource of `stack` or a stack around it."""
    tokens = Tokenization.reverse_string(arn).tokens
    references = [cast("Reference", each) for each in tokens if Reference.is_reference(each)]
    return all(Stack.of(each.target) in enclosing_stacks(stack) for each in references)


def outermost(stack: Stack) -> Stack:
    """Return the stack that is nested in no other and contains `stack`, or is it."""
    *_, last = enclosing_stacks(stack)
    return last


def enclosing_stacks(stack: Stack) -> Iterator[Stack]:
    """Yield a stack and the stacks it is nested in, from the inside out."""
    around: Stack | None = stack
    while around is not None:
        yield around
        around = around.nested_stack_parent


def stacks_of(*constructs: IConstruct | None) -> list[Stack]:
    """Return the stacks of those constructs that there are."""
    return [Stack.of(each) for each in constructs if each is not None]


def _function_of(singleton: lambda_.SingletonFunction) -> lambda_.Function | None:
    """Return the function that all singletons of one UUID share; it is a child of the stack."""
    children = Stack.of(singleton).node.children
    functions = (child for child in children if isinstance(child, lambda_.Function))
    return next((each for each in functions if each.function_arn == singleton.function_arn), None)


def _arn(principal: iam.IPrincipal) -> str | None:
    for attribute in ("role_arn", "user_arn"):
        if hasattr(principal, attribute):
            return cast("str", getattr(principal, attribute))
    return None


def _check_arn(name: str, arn: str) -> None:
    if Token.is_unresolved(arn) or _ROLE_OR_USER.fullmatch(arn):
        return
    raise ConstructError(
        f"{name} has the ARN {arn}",
        "DSQL maps the ARN of an IAM role or user; the ARN of a session (assumed-role) or a pattern is not one",
        "pass the role's, such as arn:aws:iam::123456789012:role/path/name, with its path",
    )


def name_of(grantee: iam.IGrantable) -> str:
    """Return the path of a grantee, or the name of its class if it is no construct."""
    node = getattr(grantee, "node", None)
    return type(grantee).__name__ if node is None else node.path


def _no_role(name: str) -> ConstructError:
    return ConstructError(
        f"{name} cannot be granted access to a database",
        "DSQL maps IAM roles and users to database roles, and this grantee has no role in CDK",
        "grant to the function, task role, instance role or user that connects; import a role, or an L1, with "
        "`iam.Role.from_role_arn`, a function with `from_function_attributes(role=…)`",
    )
