"""Mappings of IAM roles to database roles: one custom resource for each grantee, which the migrator handles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from aws_cdk import CfnResource, CustomResource, Duration

from blocks.database.role_mapping import RoleMapping
from blocks.database.roles import DatabaseRole
from blocks.shared.removal import always_delete

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

    from blocks.database.custom_roles import CustomRoles
    from blocks.database.elsewhere import GrantsElsewhere
    from blocks.database.roles import Rights

RESOURCE_TYPE = "Custom::DsqlGrant"


class MigratorToInvoke(Protocol):
    """The migrator of the database, whose function handles the custom resources."""

    @property
    def function(self) -> lambda_.Function:
        """The function that CloudFormation invokes."""

    @property
    def service_timeout(self) -> Duration:
        """The time that CloudFormation waits for it."""

    @property
    def migrated(self) -> CfnResource:
        """The resource that is complete once the migrations are applied."""


class RoleMapper:
    """Creates the mappings of one database that has a migrator."""

    def __init__(
        self,
        name: str,
        *,
        endpoint: str,
        migrator: MigratorToInvoke,
        roles: CustomRoles,
        elsewhere: GrantsElsewhere,
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._migrator = migrator
        self._roles = roles
        self._elsewhere = elsewhere

    def check(self, access: Rights) -> None:
        """Check a custom role against the migrations.

        Raises:
            ConstructError: it names tables that no migration creates, or invalid privileges, or another role of that
                name has other privileges.
        """
        if isinstance(access, DatabaseRole):
            self._roles.check(access)

    def map(self, scope: Construct, id: str, role_arn: str) -> tuple[RoleMapping, CfnResource]:
        """Create the custom resource of one grantee, which is complete once its role is mapped.

        It is created after the migrations: by DependsOn in the same stack and in stacks nested around it, by the
        order of the stacks otherwise. The migrations depend on no grantee, so no grant closes a circle.
        """
        mapping = RoleMapping(self._name, role_arn)
        resource = CustomResource(
            scope,
            id,
            resource_type=RESOURCE_TYPE,
            service_token=self._migrator.function.function_arn,
            service_timeout=self._migrator.service_timeout,
            properties=mapping.properties(self._endpoint),
        )
        mapped = cast("CfnResource", resource.node.default_child)
        mapped.add_resource_dependency(self._migrator.migrated)
        always_delete(mapped)
        self._elsewhere.add(scope, mapping)
        return mapping, mapped
