"""A database whose cluster was there before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy, Stack, Token

from blocks.database.interface import IDistributedDatabase
from blocks.database.mappings import RoleMappings
from blocks.database.migrator import Migrator
from blocks.shared.arguments import FOLDER, MIGRATOR, checked
from blocks.shared.errors import ConstructError
from dsql_dialect import profile
from dsql_dialect.migrations import compile_folder
from dsql_dialect.profiles import DEFAULT

if TYPE_CHECKING:
    import os
    from typing import Unpack

    from aws_cdk import CfnResource
    from constructs import Construct

    from blocks.database.migrator import MigratorOptions


# API reference, GetCluster, the pattern of `identifier`.
_IDENTIFIER = re.compile(r"[a-z0-9]{26}")


class ImportedDatabase(IDistributedDatabase):
    """A cluster that another stack or tool made; made by `DistributedDatabase.from_cluster_attributes`."""

    migrator: Migrator | None
    """What applies the migrations and maps the roles; None where they are somebody else's."""

    @checked({"migrations": FOLDER, **MIGRATOR})
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster_identifier: str,
        cluster_endpoint: str | None = None,
        vpc_endpoint_service_name: str | None = None,
        migrations: str | os.PathLike[str] | None = None,
        dialect: str = DEFAULT.name,
        **migrator_options: Unpack[MigratorOptions],
    ) -> None:
        """Describe the cluster.

        Args:
            scope: the construct this belongs to.
            id: the database's name.
            cluster_identifier: the identifier of the cluster, 26 characters.
            cluster_endpoint: its host name. Default: made of identifier and Region, as DSQL does.
            vpc_endpoint_service_name: its service for interface endpoints.
                Default: unknown, asking for it is an error.
            migrations: the folder of `NNN_name.sql` files, relative to where the app is run. It makes this app
                the one that migrates the cluster and maps IAM roles to database roles, as its `admin`.
                Default: both are somebody else's.
            dialect: the SQL that migrations may use, a name of `dsql_dialect.PROFILES`.
                Default: the subset that clusters of any age accept.
            migrator_options: how the migrations are run, as for a cluster of this app, such as `migrator_vpc=`.

        Raises:
            ConstructError: an argument cannot be what it says, or there is something about a migrator but none.
            MigrationErrors: DSQL would refuse a migration; names every place, rule and way out.
            BundlingError: a wheel of the runtime layer cannot be had.
            ValueError: the id or the dialect is no name.
        """
        super().__init__(scope, id)
        _check_identifier(self, cluster_identifier)
        self._identifier = cluster_identifier
        self._endpoint = cluster_endpoint or f"{cluster_identifier}.dsql.{Stack.of(self).region}.on.aws"
        self._vpc_endpoint_service_name = vpc_endpoint_service_name
        self._role_mappings: RoleMappings | None = None
        if migrations is None and migrator_options:
            raise ConstructError(
                f"{id} has {' and '.join(migrator_options)}, but no migrations",
                "without migrations there is no migrator here: the cluster's owner maps the roles",
                "pass migrations, too, or leave the options out",
            )
        self.migrator = None if migrations is None else self._migrator(migrations, dialect, migrator_options)

    @property
    def cluster_identifier(self) -> str:
        return self._identifier

    @property
    def cluster_arn(self) -> str:
        return Stack.of(self).format_arn(service="dsql", resource="cluster", resource_name=self._identifier)

    @property
    def cluster_endpoint(self) -> str:
        return self._endpoint

    @property
    def vpc_endpoint_service_name(self) -> str:
        if self._vpc_endpoint_service_name is None:
            raise ConstructError(
                f"{self.node.path} has no vpc_endpoint_service_name",
                "the cluster is imported, and the name cannot be told from its identifier",
                "pass vpc_endpoint_service_name to from_cluster_attributes",
            )
        return self._vpc_endpoint_service_name

    @property
    def role_mappings(self) -> RoleMappings | None:
        return self._role_mappings

    @property
    def migrated(self) -> CfnResource | None:
        return None if self.migrator is None else self.migrator.migrated

    def _migrator(
        self, migrations: str | os.PathLike[str], dialect: str, options: MigratorOptions
    ) -> Migrator:
        compiled = compile_folder(migrations, profile(dialect))
        self._role_mappings = RoleMappings(self.node.id, compiled)
        return Migrator(
            self,
            "Migrator",
            database=self,
            migrations=compiled,
            role_mappings=self._role_mappings,
            removal_policy=RemovalPolicy.RETAIN,
            runtime=options.get("migrator_runtime"),
            architecture=options.get("migrator_architecture"),
            memory=options.get("migrator_memory"),
            timeout=options.get("migrator_timeout"),
            log_group=options.get("migrator_log_group"),
            role=options.get("migrator_role"),
            tracing=options.get("migrator_tracing"),
            reserved_concurrency=options.get("migrator_reserved_concurrency"),
            vpc=options.get("migrator_vpc"),
            vpc_subnets=options.get("migrator_vpc_subnets"),
            security_groups=options.get("migrator_security_groups"),
        )


def _check_identifier(database: Construct, identifier: str) -> None:
    """Refuse what cannot be an identifier: an ARN, an endpoint, nothing; one that is known on deploy may be any."""
    if Token.is_unresolved(identifier) or _IDENTIFIER.fullmatch(str(identifier)):
        return
    raise ConstructError(
        f"{database.node.path} is imported with the cluster_identifier {identifier!r}",
        "the identifier of a cluster is 26 small letters and digits",
        "pass what stands behind `cluster/` in its ARN, and before `.dsql.` in its endpoint",
    )
