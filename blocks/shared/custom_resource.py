"""Function behind a custom resource: log group, role, and permission to invoke itself.

CloudFormation invokes the function directly, without a provider framework in between: there is no other function, no
other role and no wildcard permission. The service token cannot be changed on a deployed stack.
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


def make_log_group(scope: Construct, removal_policy: RemovalPolicy) -> logs.LogGroup:
    """Create a log group with a retention of one month."""
    return logs.LogGroup(
        scope, "LogGroup", retention=logs.RetentionDays.ONE_MONTH, removal_policy=removal_policy
    )


def make_role(scope: Construct, description: str) -> iam.Role:
    """Create a role without permissions."""
    return iam.Role(
        scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=description
    )


def make_custom_resource(
    scope: Construct,
    resource_type: str,
    *,
    function: lambda_.IFunction,
    role: iam.IRole,
    properties: Mapping[str, object],
) -> CustomResource:
    """Create the custom resource that invokes `function`, which runs as `role` and may take several invocations."""
    resource = CustomResource(
        scope,
        "Resource",
        resource_type=resource_type,
        service_token=function.function_arn,
        # The longest timeout that CloudFormation accepts.
        service_timeout=Duration.hours(1),
        properties=properties,
    )
    resource.node.add_dependency(_allow_continuing(scope, role, function))
    return resource


def _allow_continuing(scope: Construct, role: iam.IRole, function: lambda_.IFunction) -> iam.Policy:
    """Allow `function` to invoke itself with the same event when its time is nearly up.

    It is a policy of its own, because the function depends on its role's default policy, which therefore cannot name
    the function. `grant_invoke` would also allow every version and alias.
    """
    policy = iam.Policy(scope, "Continue", roles=[role])
    policy.add_statements(
        iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])
    )
    return policy
