"""The policy on the cluster itself, such as one that refuses whoever does not come from a VPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from aws_cdk import IResolveContext, IStringProducer, Lazy, Stack
from constructs import IValidation

if TYPE_CHECKING:
    from aws_cdk import aws_dsql as dsql
    from aws_cdk import aws_iam as iam


def attach_policy(cluster: dsql.CfnCluster, policy: iam.PolicyDocument) -> None:
    """Give `cluster` the policy with every statement that is added until synthesis; none while it is empty."""
    cluster.policy_document = Lazy.uncached_string(_AsText(cluster, policy))
    cluster.node.add_validation(_Complete(policy))


@jsii.implements(IStringProducer)
class _AsText:
    """The policy as JSON in a string, which is how CloudFormation takes it."""

    def __init__(self, cluster: dsql.CfnCluster, policy: iam.PolicyDocument) -> None:
        self._stack = Stack.of(cluster)
        self._policy = policy

    def produce(self, context: IResolveContext) -> str | None:
        del context
        return None if self._policy.is_empty else self._stack.to_json_string(self._policy)


@jsii.implements(IValidation)
class _Complete:
    """Finds what no resource policy may lack, such as principals."""

    def __init__(self, policy: iam.PolicyDocument) -> None:
        self._policy = policy

    def validate(self) -> list[str]:
        return self._policy.validate_for_resource_policy()
