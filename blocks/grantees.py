"""Who asks to be let in: the ARN that a token is signed for, and the function behind it, if any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aws_cdk import Reference, Stack, Tokenization
from aws_cdk import aws_lambda as lambda_

from blocks.errors import ConstructError

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from constructs import IConstruct


@dataclass(frozen=True)
class Grantee:
    """An IAM role or user by its ARN, perhaps a token, and the Lambda function that runs as it, if any.

    A function that this app did not make, or not as a `Function`, is a foreign one.
    """

    name: str
    arn: str
    function: lambda_.Function | None
    is_foreign_function: bool


def identify(grantee: iam.IGrantable) -> Grantee:
    """Return who `grantee` is; an alias or a version stands for its function.

    Raises:
        ConstructError: the grantee is neither an IAM role nor a user, so DSQL has no ARN to let in.
    """
    name = _name(grantee)
    arn = _arn(grantee.grant_principal)
    if arn is None:
        raise ConstructError(
            f"{name} cannot be let into a database",
            "DSQL maps IAM roles and users to database roles, and CDK knows no role of this grantee",
            "grant to the function, task role, instance role or user that connects; "
            "import a function with `from_function_attributes(role=…)`",
        )
    # An alias and a version know their function as `lambda_`.
    behind = getattr(grantee, "lambda_", grantee)
    if isinstance(behind, lambda_.Function):
        return Grantee(name, arn, behind, is_foreign_function=False)
    return Grantee(name, arn, None, is_foreign_function=hasattr(behind, "function_arn"))


def stack_of(grantee: iam.IGrantable) -> Stack | None:
    """Return the stack that `grantee` stands in, which says in which Region it runs; None where none does."""
    if hasattr(grantee, "node"):
        return Stack.of(cast("IConstruct", grantee))
    arn = _arn(grantee.grant_principal)
    return None if arn is None else owner_of(arn)


def owner_of(arn: str) -> Stack | None:
    """Return the stack whose resource the ARN refers to, or None where it refers to none."""
    tokens = Tokenization.reverse_string(arn)
    if tokens.length != 1 or (token := tokens.first_token) is None or not Reference.is_reference(token):
        return None
    return Stack.of(cast("Reference", token).target)


def _arn(principal: iam.IPrincipal) -> str | None:
    for attribute in ("role_arn", "user_arn"):
        if hasattr(principal, attribute):
            return cast("str", getattr(principal, attribute))
    return None


def _name(grantee: iam.IGrantable) -> str:
    node = getattr(grantee, "node", None)
    return type(grantee).__name__ if node is None else node.path
