"""Deletion protection of tables: that of all replicas follows the removal policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import jsii
from aws_cdk import IAnyProducer, IResolveContext, Lazy, Stack

from blocks.shared.protection import Protectable, follows_removal_policy, validate_removal

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb

TABLE = Protectable(
    "DynamoDB", "table", "AWS::DynamoDB::GlobalTable", "restore it by point-in-time recovery, which is on"
)


def protect(table: dynamodb.TableV2) -> None:
    """Protect all replicas without a choice, unless the removal policy deletes the table."""
    resource = cast("dynamodb.CfnGlobalTable", table.node.default_child)
    resource.replicas = Lazy.uncached_any(_Protected(resource, resource.replicas))
    validate_removal(
        TABLE,
        resource,
        lambda: any(each[_ENABLED] is True for each in Stack.of(table).resolve(resource.replicas)),
    )


_ENABLED = "deletionProtectionEnabled"


@jsii.implements(IAnyProducer)
class _Protected:
    """Renders the replicas of a table, those that are added until synthesis included."""

    def __init__(self, resource: dynamodb.CfnGlobalTable, replicas: object) -> None:
        self._resource = resource
        self._replicas = replicas

    def produce(self, context: IResolveContext) -> list[dict[str, object]]:
        followed = {_ENABLED: follows_removal_policy(self._resource)}
        replicas = cast("list[dict[str, object]]", context.resolve(self._replicas))
        return [{**followed, **each} for each in replicas]
