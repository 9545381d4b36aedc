"""A function behind a custom resource that may call itself, and so take longer than one invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct


def allow_continuing(scope: Construct, role: iam.IRole, function: lambda_.IFunction) -> iam.Policy:
    """Let `function` call itself with the same event when its time is nearly up.

    A policy of its own, because the function waits for its role's default policy, which therefore cannot
    name the function. `grant_invoke` would allow every version and alias too.
    """
    policy = iam.Policy(scope, "Continue", roles=[role])
    policy.add_statements(
        iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])
    )
    return policy
