"""A database on an existing cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from aws_cdk import RemovalPolicy, Stack, Stage, Token
from constructs import Construct

from blocks.database.compiled import compile_migrations
from blocks.database.custom_roles import CustomRoles
from blocks.database.elsewhere import GrantsElsewhere
from blocks.database.interface import IDistributedDatabase
from blocks.database.migrator import Migrator, MigratorOptions
from blocks.database.role_mapper import RoleMapper
from blocks.shared.arguments import FOLDER, MIGRATOR, checked
from blocks.shared.errors import ConstructError
from blocks.shared.grantees import stacks_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Unpack

    from aws_cdk import CfnResource
    from constructs import IConstruct


# API reference, GetCluster, the pattern of `identifier`.
_IDENTIFIER = re.compile(r"[a-z0-9]{26}")


class ImportedDatabase(IDistributedDatabase):
    """An existing cluster of another stack or tool; created by `DistributedDatabase.from_cluster_attributes`."""

    migrator: Migrator | None
    """The migrator; None if the owner of the cluster migrates it."""

    @checked({"migrations": FOLDER, **MIGRATOR}, MigratorOptions.__annotations__)
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster_identifier: str,
        cluster_endpoint: str | None = None,
        vpc_endpoint_service_name: str | None = None,
        migrations: str | os.PathLike[str] | None = None,
        dialect: str | None = None,
        **migrator_options: Unpack[MigratorOptions],
    ) -> None:
        """Import the cluster.

        Args:
            scope: parent construct.
            id: name of the database.
            cluster_identifier: identifier of the cluster, 26 characters.
            cluster_endpoint: host name of the cluster. Default: derived from identifier and Region.
            vpc_endpoint_service_name: service name for interface endpoints.
                Default: unknown, reading it is an error.
            migrations: folder of `NNN_name.sql` files, relative to the working directory of the app. With it this
                app migrates the cluster and maps IAM roles to database roles, as its `admin`.
                Default: the owner of the cluster does both.
            dialect: dialect that the migrations are checked against, a name in `dsql_dialect.PROFILES`.
                Default: that of the settings, else portable, without most features that DSQL added in 2026.
            migrator_options: options of the migrator, as for a new cluster, such as `migrator_vpc=`.

        Raises:
            ConstructError: an argument is invalid, or there are options of a migrator but no migrations.
            MigrationErrors: DSQL would refuse a migration; lists every place, rule and remedy.
            BundlingError: a wheel of the runtime layer cannot be downloaded.
            ValueError: the id has no letter or digit, or there is no such dialect.
        """
        super().__init__(scope, id)
        _check_identifier(self, cluster_identifier)
        self._identifier = cluster_identifier
        self._endpoint = cluster_endpoint or f"{cluster_identifier}.dsql.{Stack.of(self).region}.on.aws"
        self._vpc_endpoint_service_name = vpc_endpoint_service_name
        self._role_mapper: RoleMapper | None = None
        self._needed_stacks = stacks_of(
            *(migrator_options.get("migrator_vpc"), migrator_options.get("migrator_role")),
            *(migrator_options.get("migrator_log_group"),),
            *(migrator_options.get("migrator_security_groups") or ()),
        )
        if migrations is None and migrator_options:
            raise ConstructError(
                f"{id} has {' and '.join(migrator_options)}, but no migrations",
                "without migrations there is no migrator here: the owner of the cluster maps the roles",
                "pass migrations as well, or leave the options out",
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
                "the cluster is imported, and the name cannot be derived from its identifier",
                "pass vpc_endpoint_service_name to from_cluster_attributes",
            )
        return self._vpc_endpoint_service_name

    @property
    def role_mapper(self) -> RoleMapper | None:
        return self._role_mapper

    @property
    def needed_stacks(self) -> Sequence[Stack]:
        return self._needed_stacks

    @property
    def migrated(self) -> CfnResource | None:
        return None if self.migrator is None else self.migrator.migrated

    def _migrator(
        self, migrations: str | os.PathLike[str], dialect: str | None, options: MigratorOptions
    ) -> Migrator:
        _MigratedCluster.record(self)
        compiled = compile_migrations(self, migrations, dialect)
        elsewhere = GrantsElsewhere(self)
        migrator = Migrator(
            self,
            "Migrator",
            database=self,
            migrations=compiled,
            elsewhere=elsewhere,
            removal_policy=RemovalPolicy.RETAIN,
            runtime=options.get("migrator_runtime"),
            architecture=options.get("migrator_architecture"),
            memory=options.get("migrator_memory"),
            timeout=options.get("migrator_timeout"),
            service_timeout=options.get("migrator_service_timeout"),
            log_group=options.get("migrator_log_group"),
            role=options.get("migrator_role"),
            tracing=options.get("migrator_tracing"),
            reserved_concurrency=options.get("migrator_reserved_concurrency"),
            vpc=options.get("migrator_vpc"),
            vpc_subnets=options.get("migrator_vpc_subnets"),
            security_groups=options.get("migrator_security_groups"),
        )
        self._role_mapper = RoleMapper(
            self.node.id,
            endpoint=self.connection_endpoint,
            migrator=migrator,
            roles=CustomRoles(self.node.id, compiled),
            elsewhere=elsewhere,
        )
        return migrator


class _MigratedCluster(Construct):
    """Record below a stage: the database of this app that migrates an imported cluster."""

    def __init__(self, scope: IConstruct, id: str, database: ImportedDatabase) -> None:
        super().__init__(cast("Construct", scope), id)
        self.database = database

    @classmethod
    def record(cls, database: ImportedDatabase) -> None:
        """Record that `database` migrates its cluster; a token is another cluster for all that is known.

        Raises:
            ConstructError: another database of the app does so.
        """
        identifier = database.cluster_identifier
        if Token.is_unresolved(identifier):
            return
        scope, id = Stage.of(database) or database.node.root, f"BlocksCluster-{identifier}"
        known = cast("_MigratedCluster | None", scope.node.try_find_child(id))
        if known is not None:
            raise ConstructError(
                f"{known.database.node.path} and {database.node.path} migrate the same cluster {identifier}",
                "a cluster has one journal, so each would find migrations that it does not know",
                "import the cluster with migrations once, and grant on that database",
            )
        cls(scope, id, database)


def _check_identifier(database: Construct, identifier: str) -> None:
    """Refuse an invalid identifier, such as an ARN or an endpoint; a token passes."""
    if Token.is_unresolved(identifier) or _IDENTIFIER.fullmatch(str(identifier)):
        return
    raise ConstructError(
        f"{database.node.path} is imported with the cluster_identifier {identifier!r}",
        "the identifier of a cluster is 26 small letters and digits",
        "pass the part after `cluster/` in its ARN, or before `.dsql.` in its endpoint",
    )
