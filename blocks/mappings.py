"""Which IAM roles log in as which database roles, collected until synthesis."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jsii
from aws_cdk import IAnyProducer, IResolveContext, Lazy

from blocks_runtime.contract import Access, database_role

if TYPE_CHECKING:
    from aws_cdk import IResolvable


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """One IAM role (or user) and the access it has; the ARN may be a token."""

    role_arn: str
    access: Access


@jsii.implements(IAnyProducer)
class RoleMappings:
    """The mappings of one database, as the list the migrator reads from its custom resource."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._mappings: set[RoleMapping] = set()

    def add(self, mapping: RoleMapping) -> None:
        """Add a mapping; adding it again changes nothing."""
        self._mappings.add(mapping)

    def render(self) -> IResolvable:
        """Return the list as a token that takes in whatever is added until synthesis."""
        return Lazy.uncached_any(self)

    def produce(self, context: IResolveContext) -> list[dict[str, object]]:
        """Return the list for the template, sorted by what the ARNs resolve to."""
        rows = [
            {
                "DatabaseRole": database_role(self._name, mapping.access),
                "Access": mapping.access.value,
                "RoleArn": context.resolve(mapping.role_arn),
            }
            for mapping in self._mappings
        ]
        return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
