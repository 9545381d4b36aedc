"""Resource policy of a cluster, such as one that denies access from outside of a VPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from aws_cdk import IResolveContext, IStringProducer, Lazy, Stack
from constructs import IValidation

if TYPE_CHECKING:
    from aws_cdk import aws_dsql as dsql
    from aws_cdk import aws_iam as iam


def attach_policy(cluster: dsql.CfnCluster, policy: iam.PolicyDocument) -> None:
    """Attach the policy to `cluster`, with all statements added until synthesis; an empty policy is omitted."""
    cluster.policy_document = Lazy.uncached_string(_AsText(cluster, policy))
    cluster.node.add_validation(_Complete(policy))


@jsii.implements(IStringProducer)
class _AsText:
    """Renders the policy as JSON in a string, as CloudFormation expects it."""

    def __init__(self, cluster: dsql.CfnCluster, policy: iam.PolicyDocument) -> None:
        self._stack = Stack.of(cluster)
        self._policy = policy

    def produce(self, context: IResolveContext) -> str | None:
        del context
        return None if self._policy.is_empty else self._stack.to_json_string(self._policy)


@jsii.implements(IValidation)
class _Complete:
    """Validates the statements as those of a resource policy, which need principals."""

    def __init__(self, policy: iam.PolicyDocument) -> None:
        self._policy = policy

    def validate(self) -> list[str]:
        return self._policy.validate_for_resource_policy()
