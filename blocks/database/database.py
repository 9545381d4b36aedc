"""The database construct: an Aurora DSQL cluster, its migrations, and who may log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy, Stack, Tags
from aws_cdk import aws_dsql as dsql
from aws_cdk import aws_iam as iam

from blocks.database.backups import BackupPolicy, DatabaseBackup
from blocks.database.cluster import connection_endpoint, make_cluster
from blocks.database.imported import ImportedDatabase
from blocks.database.interface import IDistributedDatabase
from blocks.database.mappings import RoleMappings
from blocks.database.migrator import Migrator
from blocks.database.multi_region import MultiRegion, check_regions, warn_of_open_peer, warn_of_single_backup
from blocks.database.peer import PeerCluster, endpoint_in
from blocks.database.peering import Peering, peer_arn
from blocks.database.protection import check_protection, refuse_torn_removal
from blocks.shared.arguments import (
    FOLDER,
    KEY,
    MIGRATOR,
    POLICY,
    REMOVAL_POLICY,
    SWITCH,
    TAGS,
    Kind,
    checked,
    one_of,
)
from blocks.shared.errors import ConstructError
from dsql_dialect import profile
from dsql_dialect.migrations import CompiledMigrations, compile_folder
from dsql_dialect.profiles import DEFAULT

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from aws_cdk import CfnResource, Duration, Size
    from aws_cdk import aws_ec2 as ec2
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_logs as logs
    from constructs import Construct

    from blocks.database.endpoints import RegionalEndpoint
    from blocks.database.migrator import MigratorOptions

_OPTIONS: Mapping[str, Kind] = {
    "migrations": FOLDER,
    "removal_policy": REMOVAL_POLICY,
    "deletion_protection": SWITCH,
    "encryption_key": KEY,
    "resource_policy": POLICY,
    "tags": TAGS,
    "backup": Kind("a BackupPolicy", "BackupPolicy.daily()", one_of(BackupPolicy)),
    "private_endpoint": Kind("True or False", "True", one_of(bool)),
    "multi_region": Kind(
        "a MultiRegion", 'MultiRegion(peer=stack, witness_region="us-west-2")', one_of(MultiRegion)
    ),
    **MIGRATOR,
}


class DistributedDatabase(IDistributedDatabase):
    """A serverless, distributed PostgreSQL database (Amazon Aurora DSQL).

    It makes the cluster, and a function that migrates it on every deploy that changes the migrations or the
    grants. `grant_connect` decides who gets in. The id is the name that code opens it by:
    `DistributedDatabase("main")` of `blocks_runtime` finds the database whose id is `main`.
    """

    cluster: dsql.CfnCluster
    """The cluster as CloudFormation sees it, for what has no argument here."""
    migrator: Migrator
    """What applies the migrations and maps the roles."""
    encryption_key: kms.IKey | None
    """The key of the data at rest; None where DSQL uses one of its own."""
    backup: DatabaseBackup | None
    """What backs the cluster up; None where nothing here does."""
    peer: PeerCluster | None
    """The cluster in the second Region, where there is one."""
    peering: Peering | None
    """What joins the two clusters, where there are two."""

    @checked(_OPTIONS)
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        migrations: str | os.PathLike[str] | None = None,
        dialect: str = DEFAULT.name,
        removal_policy: RemovalPolicy | None = None,
        deletion_protection: bool | None = None,
        encryption_key: kms.IKey | None = None,
        resource_policy: iam.PolicyDocument | None = None,
        tags: Mapping[str, str] | None = None,
        backup: BackupPolicy | None = None,
        private_endpoint: bool = False,
        multi_region: MultiRegion | None = None,
        migrator_runtime: lambda_.Runtime | None = None,
        migrator_architecture: lambda_.Architecture | None = None,
        migrator_memory: Size | None = None,
        migrator_timeout: Duration | None = None,
        migrator_log_group: logs.ILogGroup | None = None,
        migrator_role: iam.IRole | None = None,
        migrator_tracing: lambda_.Tracing | None = None,
        migrator_reserved_concurrency: int | None = None,
        migrator_vpc: ec2.IVpc | None = None,
        migrator_vpc_subnets: ec2.SubnetSelection | None = None,
        migrator_security_groups: Sequence[ec2.ISecurityGroup] | None = None,
    ) -> None:
        """Make the cluster and its migrator.

        Args:
            scope: the construct this belongs to, usually the stack.
            id: the database's name, with at least one letter or digit.
            migrations: the folder of `NNN_name.sql` files, relative to where the app is run.
                Default: no migrations; the migrator only maps the granted roles.
            dialect: the SQL that migrations may use, a name of `dsql_dialect.PROFILES`.
                Default: the subset that clusters of any age accept.
            removal_policy: what becomes of the cluster when it leaves the stack.
                Default: RETAIN, it stays with its data.
            deletion_protection: whether DSQL refuses to delete the cluster.
                Default: on, unless the removal policy is DESTROY.
            encryption_key: the KMS key of the data at rest, in the Region of the stack; DSQL is let use it.
                Default: a key that DSQL owns.
            resource_policy: who may connect, seen from the cluster; it mostly denies, as IAM policies already
                allow. It can be added to. Default: no policy, what IAM allows is allowed.
            tags: tags of the cluster and everything else that is made here. Default: those of the scope.
            backup: backs the cluster up with AWS Backup, such as `BackupPolicy.daily()`.
                Default: no backups.
            private_endpoint: whether functions and the migrator connect by the host name that answers in a VPC
                alone, through an interface endpoint for `vpc_endpoint_service_name` with private DNS; all of them
                then run in such a VPC. It closes nothing, a policy does. Default: False, by the public host name.
            multi_region: the stack in a second Region, and the witness Region. A cluster cannot become one
                of two later. Default: one Region.
            migrator_runtime: the Python that runs the migrations. Default: Python 3.14.
            migrator_architecture: the processor that runs them. Default: x86_64.
            migrator_memory: the memory of the migration function. Default: 512 MiB.
            migrator_timeout: how long one invocation of it may take, 4 to 15 minutes; it continues in another
                one until an hour is over. Default: 15 minutes.
            migrator_log_group: where it logs. Default: a log group of its own that keeps a month and follows
                `removal_policy`.
            migrator_role: the role it runs as; the permissions it needs are added to it.
                Default: a role of its own with nothing else.
            migrator_tracing: whether X-Ray follows it. Default: disabled.
            migrator_reserved_concurrency: how many invocations of it may run at once, and are set aside.
                Default: none are set aside; it takes from the account's.
            migrator_vpc: the network it runs in; it needs a way to the cluster, to CloudFormation's bucket for
                answers, and to Lambda. Default: none of yours, with access to the internet.
            migrator_vpc_subnets: where in `migrator_vpc`. Default: the private subnets.
            migrator_security_groups: of its network interfaces. Default: one of its own that lets everything
                out and nothing in.

        Raises:
            ConstructError: the arguments contradict each other, or cannot be deployed.
            MigrationErrors: DSQL would refuse a migration; names every place, rule and way out.
            BundlingError: a wheel of the runtime layer cannot be had.
            ValueError: the id or the dialect is no name.
        """
        super().__init__(scope, id)
        policy = removal_policy or RemovalPolicy.RETAIN
        check_protection(policy, deletion_protection)
        compiled = _compile(migrations, dialect)
        self.encryption_key = encryption_key
        self._resource_policy = resource_policy or iam.PolicyDocument()
        self._private_endpoint = private_endpoint
        if private_endpoint and migrator_vpc is None:
            raise ConstructError(
                f"{self.node.path} has private_endpoint=True, but no migrator_vpc",
                "the migrator connects by the private host name, too, and that answers in a VPC alone",
                "pass migrator_vpc, and make the interface endpoint in that VPC",
            )
        self._role_mappings = RoleMappings(self.node.id, compiled)
        self.cluster = make_cluster(
            self,
            removal_policy=policy,
            deletion_protection=deletion_protection,
            encryption_key=encryption_key,
            resource_policy=self._resource_policy,
        )
        self.backup = None if backup is None else self._backup(backup)
        self.peer = self.peering = None
        self.migrator = Migrator(
            self,
            "Migrator",
            database=self,
            migrations=compiled,
            role_mappings=self._role_mappings,
            removal_policy=policy,
            runtime=migrator_runtime,
            architecture=migrator_architecture,
            memory=migrator_memory,
            timeout=migrator_timeout,
            log_group=migrator_log_group,
            role=migrator_role,
            tracing=migrator_tracing,
            reserved_concurrency=migrator_reserved_concurrency,
            vpc=migrator_vpc,
            vpc_subnets=migrator_vpc_subnets,
            security_groups=migrator_security_groups,
        )
        if multi_region is not None:
            if backup is not None and backup.has_no_copies:
                warn_of_single_backup(self, multi_region.peer)
            self._spread(multi_region, policy, deletion_protection)
        for made_here in filter(None, (self, self.peer)):
            for key, value in (tags or {}).items():
                Tags.of(made_here).add(key, value)

    def _spread(self, wanted: MultiRegion, policy: RemovalPolicy, deletion_protection: bool | None) -> None:
        """Make the second cluster, and migrate only once both are one database."""
        check_regions(self, wanted)
        if wanted.resource_policy is None and not self._resource_policy.is_empty:
            warn_of_open_peer(self, wanted.peer)
        self.peer = PeerCluster(
            wanted.peer,
            self.node.id,
            multi_region=wanted,
            removal_policy=policy,
            deletion_protection=deletion_protection,
            private_endpoint=self.private_endpoint,
        )
        refuse_torn_removal(self.cluster, self.peer.cluster)
        Stack.of(self).add_stack_dependency(wanted.peer)
        self.cluster.multi_region_properties = dsql.CfnCluster.MultiRegionPropertiesProperty(
            witness_region=wanted.witness_region, clusters=[peer_arn(self.peer)]
        )
        self.peering = Peering(
            self,
            "Peering",
            database=self,
            peer=self.peer,
            witness_region=wanted.witness_region,
            removal_policy=policy,
            runtime=self.migrator.function.runtime,
            architecture=self.migrator.function.architecture,
        )
        self.migrator.migrated.add_resource_dependency(self.peering.peered)

    @staticmethod
    def from_cluster_attributes(
        scope: Construct,
        id: str,
        *,
        cluster_identifier: str,
        cluster_endpoint: str | None = None,
        vpc_endpoint_service_name: str | None = None,
        migrations: str | os.PathLike[str] | None = None,
        dialect: str = DEFAULT.name,
        **migrator_options: Unpack[MigratorOptions],
    ) -> IDistributedDatabase:
        """Return a database whose cluster exists already, in the Region and account of the stack.

        Args:
            scope: the construct this belongs to.
            id: the database's name.
            cluster_identifier: the identifier of the cluster, 26 characters.
            cluster_endpoint: its host name. Default: made of identifier and Region, as DSQL does.
            vpc_endpoint_service_name: its service for interface endpoints.
                Default: unknown, asking for it is an error.
            migrations: the folder of `NNN_name.sql` files; it makes this app the one that migrates the cluster
                and maps IAM roles to database roles. Default: both are somebody else's.
            dialect: the SQL that migrations may use, a name of `dsql_dialect.PROFILES`.
                Default: the subset that clusters of any age accept.
            migrator_options: how the migrations are run, as for a cluster of this app, such as `migrator_vpc=`.

        Raises:
            ConstructError: an argument cannot be what it says, or there is something about a migrator but none.
            MigrationErrors: DSQL would refuse a migration; names every place, rule and way out.
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
        """Return a database whose cluster exists already; see `from_cluster_attributes`."""
        return DistributedDatabase.from_cluster_attributes(scope, id, cluster_identifier=cluster_identifier)

    @property
    def cluster_identifier(self) -> str:
        return self.cluster.attr_identifier

    @property
    def cluster_arn(self) -> str:
        return self.cluster.attr_resource_arn

    @property
    def cluster_endpoint(self) -> str:
        return self.cluster.attr_endpoint

    @property
    def private_endpoint(self) -> bool:
        return self._private_endpoint

    @property
    def connection_endpoint(self) -> str:
        return connection_endpoint(self.cluster, private=self.private_endpoint)

    @property
    def vpc_endpoint_service_name(self) -> str:
        return self.cluster.attr_vpc_endpoint_service_name

    @property
    def role_mappings(self) -> RoleMappings:
        return self._role_mappings

    @property
    def migrated(self) -> CfnResource:
        return self.migrator.migrated

    def endpoint_for(self, stack: Stack | None) -> RegionalEndpoint:
        if self.peer is None or stack is None:
            return super().endpoint_for(stack)
        return endpoint_in(self, self.peer, stack)

    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        """Choose what becomes of the cluster, and of its peer, when it leaves the stack."""
        super().apply_removal_policy(policy)
        if self.peer is not None:
            self.peer.cluster.apply_removal_policy(policy)

    def add_to_resource_policy(self, statement: iam.PolicyStatement) -> iam.AddToResourcePolicyResult:
        """Add a statement to the policy on the cluster."""
        self._resource_policy.add_statements(statement)
        return iam.AddToResourcePolicyResult(statement_added=True, policy_dependable=self.cluster)

    def _backup(self, policy: BackupPolicy) -> DatabaseBackup:
        return DatabaseBackup(
            self,
            "Backup",
            database=self,
            policy=policy,
            encryption_key=self.encryption_key,
        )


def _compile(folder: str | os.PathLike[str] | None, dialect: str) -> CompiledMigrations:
    chosen = profile(dialect)
    return CompiledMigrations(chosen.name, ()) if folder is None else compile_folder(folder, chosen)
