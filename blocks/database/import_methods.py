"""Import of existing clusters: the `from_…` methods of `DistributedDatabase`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from aws_cdk import ContextProvider, Fn, Stack, Token

from blocks.database.imported import ImportedDatabase
from blocks.database.migrator import MigratorOptions
from blocks.shared.arguments import checked
from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    import os
    from typing import Unpack

    from constructs import Construct

    from blocks.database.interface import IDistributedDatabase

_ARN = re.compile(
    r"arn:[\w-]+:dsql:(?P<region>[\w-]+):(?P<account>\d{12}):cluster/(?P<identifier>[a-z0-9]{26})"
)

_LOOKED_UP = ("Endpoint", "VpcEndpointServiceName")
"""Attributes of `AWS::DSQL::Cluster` that a lookup reads."""


class ImportMethods:
    """Static methods that import an existing cluster in the Region and account of the stack."""

    @staticmethod
    @checked({}, MigratorOptions.__annotations__)
    def from_cluster_attributes(
        scope: Construct,
        id: str,
        *,
        cluster_identifier: str,
        cluster_endpoint: str | None = None,
        vpc_endpoint_service_name: str | None = None,
        migrations: str | os.PathLike[str] | None = None,
        dialect: str | None = None,
        **migrator_options: Unpack[MigratorOptions],
    ) -> IDistributedDatabase:
        """Import an existing cluster in the Region and account of the stack.

        Args:
            scope: parent construct.
            id: name of the database.
            cluster_identifier: identifier of the cluster, 26 characters.
            cluster_endpoint: host name of the cluster. Default: derived from identifier and Region.
            vpc_endpoint_service_name: service name for interface endpoints.
                Default: unknown, reading it is an error.
            migrations: folder of `NNN_name.sql` files; with it this app migrates the cluster and maps IAM roles to
                database roles. Default: the owner of the cluster does both.
            dialect: dialect that the migrations are checked against, a name in `dsql_dialect.PROFILES`.
                Default: that of the settings, else portable, without most features that DSQL added in 2026.
            migrator_options: options of the migrator, as for a new cluster, such as `migrator_vpc=`.

        Raises:
            ConstructError: an argument is invalid, or there are options of a migrator but no migrations.
            MigrationErrors: DSQL would refuse a migration; lists every place, rule and remedy.
        """
        return ImportedDatabase(
            scope,
            id,
            cluster_identifier=cluster_identifier,
            cluster_endpoint=cluster_endpoint,
            vpc_endpoint_service_name=vpc_endpoint_service_name,
            migrations=migrations,
            dialect=dialect,
            **migrator_options,
        )

    @staticmethod
    def from_cluster_identifier(scope: Construct, id: str, cluster_identifier: str) -> IDistributedDatabase:
        """Import an existing cluster; see `from_cluster_attributes`."""
        return ImportMethods.from_cluster_attributes(scope, id, cluster_identifier=cluster_identifier)

    @staticmethod
    @checked({}, ("migrations", "dialect", *MigratorOptions.__annotations__))
    def from_cluster_arn(
        scope: Construct,
        id: str,
        cluster_arn: str,
        *,
        migrations: str | os.PathLike[str] | None = None,
        dialect: str | None = None,
        **migrator_options: Unpack[MigratorOptions],
    ) -> IDistributedDatabase:
        """Import an existing cluster by its ARN; see `from_cluster_attributes`.

        Args:
            scope: parent construct.
            id: name of the database.
            cluster_arn: ARN of the cluster, which may be a token.
            migrations: folder of `NNN_name.sql` files. Default: the owner of the cluster migrates it.
            dialect: dialect that the migrations are checked against.
                Default: that of the settings, else portable, without most features that DSQL added in 2026.
            migrator_options: options of the migrator, as for a new cluster.

        Raises:
            ConstructError: the ARN is not that of a cluster, or of another Region or account than the stack.
        """
        return ImportMethods.from_cluster_attributes(
            scope,
            id,
            cluster_identifier=_identifier_in(cluster_arn, scope, id),
            migrations=migrations,
            dialect=dialect,
            **migrator_options,
        )

    @staticmethod
    @checked({}, ("migrations", "dialect", *MigratorOptions.__annotations__))
    def from_lookup(
        scope: Construct,
        id: str,
        *,
        cluster_identifier: str,
        migrations: str | os.PathLike[str] | None = None,
        dialect: str | None = None,
        **migrator_options: Unpack[MigratorOptions],
    ) -> IDistributedDatabase:
        """Import an existing cluster, whose endpoint and service name `cdk synth` reads from the account.

        The answer is kept in `cdk.context.json`, as that of every lookup of the CDK; commit that file.

        Args:
            scope: parent construct, in a stack with an explicit account and Region.
            id: name of the database.
            cluster_identifier: identifier of the cluster, 26 characters, known at synth.
            migrations: folder of `NNN_name.sql` files. Default: the owner of the cluster migrates it.
            dialect: dialect that the migrations are checked against.
                Default: that of the settings, else portable, without most features that DSQL added in 2026.
            migrator_options: options of the migrator, as for a new cluster.

        Raises:
            ConstructError: the identifier is invalid, or known on deploy only.
        """
        found = _look_up(scope, cluster_identifier)
        return ImportMethods.from_cluster_attributes(
            scope,
            id,
            cluster_identifier=cluster_identifier,
            cluster_endpoint=found["Endpoint"],
            vpc_endpoint_service_name=found["VpcEndpointServiceName"],
            migrations=migrations,
            dialect=dialect,
            **migrator_options,
        )


def _identifier_in(arn: str, scope: Construct, id: str) -> str:
    if Token.is_unresolved(arn):
        return Fn.select(1, Fn.split("/", arn))
    stack, parts = Stack.of(scope), _ARN.fullmatch(str(arn))
    if parts is None:
        raise ConstructError(
            f"{id} is imported with the cluster_arn {arn!r}",
            "the ARN of a cluster is arn:PARTITION:dsql:REGION:ACCOUNT:cluster/IDENTIFIER",
            "pass the whole ARN, or the identifier to from_cluster_identifier",
        )
    for what, own in (("region", stack.region), ("account", stack.account)):
        if not Token.is_unresolved(own) and own != parts[what]:
            raise ConstructError(
                f"{id} is imported into {stack.node.path} from the {what} {parts[what]}",
                f"the stack is in {own}, and a cluster is imported in its own account and Region",
                f"import it in a stack whose env has the {what} {parts[what]}",
            )
    return parts["identifier"]


def _look_up(scope: Construct, identifier: str) -> dict[str, str]:
    """Return the attributes of a cluster from the context; placeholders until `cdk synth` has looked them up."""
    if Token.is_unresolved(identifier):
        raise ConstructError(
            "cluster_identifier is known on deploy only",
            "a lookup is made at synth",
            "pass the identifier as text, or use from_cluster_attributes",
        )
    answer = ContextProvider.get_value(
        scope,
        provider="cc-api-provider",
        dummy_value=[{name: f"{name.lower()}.invalid" for name in _LOOKED_UP}],
        props={
            "typeName": "AWS::DSQL::Cluster",
            "exactIdentifier": identifier,
            "propertiesToReturn": list(_LOOKED_UP),
        },
    )
    return cast("list[dict[str, str]]", answer.value)[0]
