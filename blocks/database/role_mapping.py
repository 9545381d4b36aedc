"""Mapping of one IAM role to database roles: the properties of its custom resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from aws_cdk import IAnyProducer, IResolveContext, Lazy

from blocks.database.roles import DatabaseRole, role_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blocks.database.roles import Rights


@jsii.implements(IAnyProducer)
class RoleMapping:
    """One IAM role (or user) and the database roles that it may log in as.

    Create and Update of the custom resource add mappings. CloudFormation sends a Delete for the earlier state after
    all updates of the deploy, so mappings end only when no deployed function needs them.
    """

    def __init__(self, name: str, role_arn: str) -> None:
        self._name = name
        self._roles: dict[str, Mapping[str, object]] = {}
        self.role_arn = role_arn

    def add(self, access: Rights) -> None:
        """Add a database role; adding it again changes nothing."""
        role = role_name(self._name, access)
        self._roles[role] = {"DatabaseRole": role, **_rights(access)}

    @property
    def database_roles(self) -> list[str]:
        """The names of the database roles, sorted."""
        return sorted(self._roles)

    def properties(self, endpoint: str) -> Mapping[str, object]:
        """Return the properties of the custom resource; those of roles added until synthesis count.

        All of them are below the key `Grant`: a migrator of an earlier release refuses such a request, and does not
        take it for a migration without grants. `endpoint` is there for an Update when the cluster is replaced.
        """
        return {
            "Grant": {
                "Database": self._name,
                "Endpoint": endpoint,
                "RoleArn": self.role_arn,
                "Roles": Lazy.uncached_any(self),
            }
        }

    def produce(self, context: IResolveContext) -> list[Mapping[str, object]]:
        """Return the database roles with their rights, sorted by name."""
        del context
        return [self._roles[role] for role in self.database_roles]


def _rights(access: Rights) -> Mapping[str, object]:
    if isinstance(access, DatabaseRole):
        return {"Privileges": access.rendered()}
    return {"Access": access.value}
