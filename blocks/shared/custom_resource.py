"""What every function behind a custom resource here has: a log group, a role, and leave to call itself.

CloudFormation calls the function itself, without a provider framework in between: there is no other function, no
other role and no wildcard permission. That token cannot be changed on a deployed stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import RemovalPolicy
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct


def own_log_group(scope: Construct, removal_policy: RemovalPolicy) -> logs.LogGroup:
    """Make a log group that keeps a month."""
    return logs.LogGroup(
        scope, "LogGroup", retention=logs.RetentionDays.ONE_MONTH, removal_policy=removal_policy
    )


def own_role(scope: Construct, description: str) -> iam.Role:
    """Make a role that may do nothing yet."""
    return iam.Role(
        scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=description
    )


def called(
    scope: Construct,
    resource_type: str,
    *,
    function: lambda_.IFunction,
    role: iam.IRole,
    properties: Mapping[str, object],
) -> CustomResource:
    """Make the custom resource that calls `function`, which runs as `role` and may take several invocations."""
    resource = CustomResource(
        scope,
        "Resource",
        resource_type=resource_type,
        service_token=function.function_arn,
        # The longest that CloudFormation waits for a custom resource.
        service_timeout=Duration.hours(1),
        properties=properties,
    )
    resource.node.add_dependency(_allow_continuing(scope, role, function))
    return resource


def _allow_continuing(scope: Construct, role: iam.IRole, function: lambda_.IFunction) -> iam.Policy:
    """Let `function` call itself with the same event when its time is nearly up.

    A policy of its own, because the function waits for its role's default policy, which therefore cannot
    name the function. `grant_invoke` would allow every version and alias too.
    """
    policy = iam.Policy(scope, "Continue", roles=[role])
    policy.add_statements(
        iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])
    )
    return policy
