"""Attributes of every table, on which grants and variables rest."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks.atomic_table.metrics import TableMetrics
from blocks.shared.arguments import DATABASE_OR_TABLE, required
from blocks_runtime.contract import variable_prefix

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct


class TableBase(TableMetrics):
    """A table by its name, with the Regions that it is in."""

    def __init__(self, scope: Construct, id: str) -> None:
        required(DATABASE_OR_TABLE, {"scope": scope, "id": id})
        variable_prefix(id)  # raises ValueError early for an id that no variable can be named after
        super().__init__(scope, id)

    @property
    @abc.abstractmethod
    def table_name(self) -> str:
        """The name of the table, the same in every Region."""

    @property
    @abc.abstractmethod
    def encryption_key(self) -> kms.IKey | None:
        """The customer managed key of the table; None for a key that DynamoDB owns."""

    @property
    @abc.abstractmethod
    def replica_regions(self) -> tuple[str, ...]:
        """The Regions of the replicas, the home Region left out."""

    @property
    def home_region(self) -> str:
        """The Region of the stack: all writes go there."""
        return Stack.of(self).region

    @property
    def table_arn(self) -> str:
        """The ARN of the table in its home Region."""
        return self.arn_in(self.home_region)

    def arn_in(self, region: str) -> str:
        """Return the ARN of the table in a Region."""
        return Stack.of(self).format_arn(
            service="dynamodb", region=region, resource="table", resource_name=self.table_name
        )

    def region_for(self, stack: Stack | None) -> str:
        """Return the Region that constructs of `stack` read in: their own if there is a replica."""
        if stack is not None and stack.region in self.replica_regions:
            return stack.region
        return self.home_region
