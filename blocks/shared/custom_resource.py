"""Function behind a custom resource: log group, role, and permission to invoke itself.

CloudFormation invokes the function directly, without a provider framework in between: there is no other function, no
other role and no wildcard permission. The service token cannot be changed on a deployed stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from blocks.shared.permissions import attach_policy, is_attached, warn_of_missing_permissions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import RemovalPolicy
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

LONGEST_TIMEOUT = Duration.hours(1)
"""Longest time that CloudFormation waits for a custom resource. Source: user guide, `ServiceTimeout`."""


_LONGEST_DESCRIPTION = 256
"""Characters of the description of a function. Source: Lambda API reference, CreateFunction."""


def description(text: str) -> str:
    """Return the description of a function, cut to the length that Lambda allows."""
    return text[:_LONGEST_DESCRIPTION]


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
    granted: Sequence[iam.PolicyStatement],
    service_timeout: Duration | None = None,
) -> CustomResource:
    """Create the custom resource that invokes `function`, which runs as `role` and may take several invocations.

    `granted` are the permissions that the role was given; a role that cannot be changed gives a warning with them.
    """
    resource = CustomResource(
        scope,
        "Resource",
        resource_type=resource_type,
        service_token=function.function_arn,
        service_timeout=service_timeout or LONGEST_TIMEOUT,
        properties=properties,
    )
    # The function invokes itself with the same event when its time is nearly up. The permission is a policy of its
    # own, because the function depends on its role's default policy, which therefore cannot name the function.
    # `grant_invoke` would also allow every version and alias.
    to_itself = iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])
    policy = attach_policy(scope, "Continue", role, [to_itself])
    if not is_attached(policy):
        warn_of_missing_permissions(scope, role, [*granted, to_itself])
    resource.node.add_dependency(policy)
    return resource
