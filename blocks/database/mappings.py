"""Mappings of IAM roles to database roles, collected until synthesis."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jsii
from aws_cdk import IAnyProducer, IResolveContext, Lazy

from blocks.database.roles import DatabaseRole, role_name
from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from aws_cdk import IResolvable

    from blocks.database.roles import Rights
    from dsql_dialect.migrations import CompiledMigrations


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """One IAM role (or user) and its access; the ARN may be a token."""

    role_arn: str
    access: Rights


@jsii.implements(IAnyProducer)
class RoleMappings:
    """Mappings of one database, rendered as the property `Grants` of the migrator's custom resource."""

    def __init__(self, name: str, migrations: CompiledMigrations) -> None:
        self._name = name
        self._migrations = migrations
        self._mappings: set[RoleMapping] = set()
        self._custom: dict[str, DatabaseRole] = {}

    def add(self, mapping: RoleMapping) -> None:
        """Add a mapping; adding it again changes nothing.

        Raises:
            ConstructError: its custom role names tables that no migration creates, or invalid privileges, or another
                role of that name has other privileges.
        """
        if isinstance(mapping.access, DatabaseRole):
            self._check(mapping.access)
        self._mappings.add(mapping)

    def render(self) -> IResolvable:
        """Return the list as a token, with all mappings added until synthesis."""
        return Lazy.uncached_any(self)

    def produce(self, context: IResolveContext) -> list[dict[str, object]]:
        """Return the list for the template, sorted by the resolved ARNs."""
        rows = {
            json.dumps(row, sort_keys=True): row
            for mapping in self._mappings
            for row in [self._row(mapping, context)]
        }
        return [rows[key] for key in sorted(rows)]

    def _row(self, mapping: RoleMapping, context: IResolveContext) -> dict[str, object]:
        access = mapping.access
        rights: dict[str, object] = (
            {"Privileges": access.rendered()}
            if isinstance(access, DatabaseRole)
            else {"Access": access.value}
        )
        return {
            "DatabaseRole": role_name(self._name, access),
            **rights,
            "RoleArn": context.resolve(mapping.role_arn),
        }

    def _check(self, role: DatabaseRole) -> None:
        if self._custom.setdefault(role.name, role).rendered() != role.rendered():
            raise ConstructError(
                f"two roles of the database {self._name!r} are called {role.name!r} and have other privileges",
                "they would be one role in the database",
                "create one DatabaseRole and pass it to every grant, or rename one of them",
            )
        if unknown := role.unknown_tables(self._migrations):
            raise ConstructError(
                f"the role {role.name!r} has privileges on {', '.join(unknown)}",
                f"no migration of the database {self._name!r} creates that",
                "spell it as the migration does, with its schema where that is not public",
            )
        if invalid := role.invalid_privileges(self._migrations):
            raise ConstructError(
                f"the role {role.name!r} has privileges on {', '.join(invalid)} that it cannot have",
                "USAGE is for sequences, and INSERT, UPDATE and DELETE are for tables and views",
                "leave them out, or name the sequence of the table",
            )
