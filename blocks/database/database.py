"""The database construct: an Aurora DSQL cluster, its migrations, and its grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Fn, RemovalPolicy, Stack, Tags
from aws_cdk import aws_dsql as dsql
from aws_cdk import aws_iam as iam

from blocks.database.backups import BACKUP_KIND, BackupPolicy, DatabaseBackup
from blocks.database.cluster import connection_endpoint, make_cluster
from blocks.database.compiled import compile_migrations
from blocks.database.custom_roles import CustomRoles
from blocks.database.elsewhere import GrantsElsewhere
from blocks.database.import_methods import ImportMethods
from blocks.database.interface import IDistributedDatabase
from blocks.database.migrator import Migrator
from blocks.database.multi_region import (
    MultiRegion,
    check_regions,
    warn_about_backup_without_copy,
    warn_about_peer_without_policy,
)
from blocks.database.peer import PeerCluster, endpoint_in
from blocks.database.peering import Peering, peer_arn
from blocks.database.protection import CLUSTER, require_same_removal_policy
from blocks.database.role_mapper import RoleMapper
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
from blocks.shared.grantees import stacks_of
from blocks.shared.protection import check_protection
from blocks.shared.tags import check_tags

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from aws_cdk import CfnResource, Duration, Size
    from aws_cdk import aws_ec2 as ec2
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_logs as logs
    from constructs import Construct

    from blocks.database.endpoints import RegionalEndpoint

_OPTIONS: Mapping[str, Kind] = {
    "migrations": FOLDER,
    "removal_policy": REMOVAL_POLICY,
    "deletion_protection": SWITCH,
    "encryption_key": KEY,
    "resource_policy": POLICY,
    "tags": TAGS,
    "backup": BACKUP_KIND,
    "private_endpoint": Kind("True or False", "True", one_of(bool)),
    "multi_region": Kind(
        "a MultiRegion", 'MultiRegion(peer=stack, witness_region="us-west-2")', one_of(MultiRegion)
    ),
    **MIGRATOR,
}


class DistributedDatabase(ImportMethods, IDistributedDatabase):
    """A serverless, distributed PostgreSQL database (Amazon Aurora DSQL).

    It creates the cluster, and a function that migrates it on every deploy that changes the migrations, and maps the
    roles of grantees. `grant_connect` grants access. The id is the name in application code:
    `DistributedDatabase("main")` of `blocks_runtime` opens the database with the id `main`.
    """

    cluster: dsql.CfnCluster
    """The L1 cluster, for properties without an argument here."""
    migrator: Migrator
    """The migrator, which applies the migrations and maps the roles."""
    encryption_key: kms.IKey | None
    """The key of the data at rest; None if DSQL uses a key of its own."""
    backup: DatabaseBackup | None
    """The backups; None without `backup=`."""
    peer: PeerCluster | None
    """The cluster in the second Region, if there is one."""
    peering: Peering | None
    """The peering of the two clusters, if there are two."""

    @checked(_OPTIONS)
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        migrations: str | os.PathLike[str] | None = None,
        dialect: str | None = None,
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
        migrator_service_timeout: Duration | None = None,
        migrator_log_group: logs.ILogGroup | None = None,
        migrator_role: iam.IRole | None = None,
        migrator_tracing: lambda_.Tracing | None = None,
        migrator_reserved_concurrency: int | None = None,
        migrator_vpc: ec2.IVpc | None = None,
        migrator_vpc_subnets: ec2.SubnetSelection | None = None,
        migrator_security_groups: Sequence[ec2.ISecurityGroup] | None = None,
    ) -> None:
        """Create the cluster and its migrator.

        Args:
            scope: parent construct, usually the stack.
            id: name of the database, with at least one letter or digit.
            migrations: folder of `NNN_name.sql` files, relative to the working directory of the app.
                Default: the folder of the settings; without them no migrations, and the migrator only maps the
                granted roles.
            dialect: dialect that the migrations are checked against, a name in `dsql_dialect.PROFILES`.
                Default: that of the settings, else portable, without most features that DSQL added in 2026.
            removal_policy: removal policy of the cluster.
                Default: RETAIN, it is kept with its data.
            deletion_protection: whether DSQL refuses to delete the cluster.
                Default: on, unless the removal policy is DESTROY.
            encryption_key: KMS key of the data at rest, in the Region of the stack; DSQL is allowed to use it.
                Default: a key that DSQL owns.
            resource_policy: resource policy of the cluster; it mostly denies, as IAM policies already allow.
                Statements can be added later. Default: no policy; IAM policies decide.
            tags: tags of the cluster and all other resources of this construct. Default: those of the scope.
            backup: schedule for AWS Backup, such as `BackupPolicy.daily()`.
                Default: no backups.
            private_endpoint: whether functions and the migrator connect by the host name that resolves in a VPC
                only, through an interface endpoint for `vpc_endpoint_service_name` with private DNS; all of them
                must run in such a VPC. It denies nothing, use `resource_policy` for that. Default: False, by the
                public host name.
            multi_region: the stack in a second Region, and the witness Region. A cluster in one Region cannot be
                extended later. Default: one Region.
            migrator_runtime: Python runtime of the migration function. Default: the newest that is supported.
            migrator_architecture: processor architecture of the function. Default: x86_64.
            migrator_memory: memory of the function. Default: 512 MiB.
            migrator_timeout: timeout of one invocation, 4 to 15 minutes; the function continues in another
                invocation for up to an hour. Default: 15 minutes.
            migrator_service_timeout: time that CloudFormation waits for the migrations, 1 to 60 minutes; a deploy
                whose function does not answer fails then. Default: an hour.
            migrator_log_group: log group of the function. Default: a new log group with a retention of a month and
                the removal policy of the database.
            migrator_role: IAM role of the function; the permissions it needs are added.
                Default: a new role with no other permissions.
            migrator_tracing: X-Ray tracing of the function. Default: disabled.
            migrator_reserved_concurrency: reserved concurrent executions of the function.
                Default: none; it uses the unreserved concurrency of the account.
            migrator_vpc: VPC of the function; it must reach the cluster, CloudFormation's S3 bucket for responses,
                and Lambda. Default: no VPC, with access to the internet.
            migrator_vpc_subnets: subnets of `migrator_vpc`. Default: the private subnets.
            migrator_security_groups: security groups of the function. Default: a new one that allows all outbound
                and no inbound traffic.

        Raises:
            ConstructError: the arguments contradict each other or the settings, or cannot be deployed.
            SettingsError: the settings in pyproject.toml or the environment are invalid.
            MigrationErrors: DSQL would refuse a migration; lists every place, rule and remedy.
            BundlingError: a wheel of the runtime layer cannot be downloaded.
            ValueError: the id has no letter or digit, or there is no such dialect.
        """
        super().__init__(scope, id)
        check_tags(tags, empty_values=False, distinct_in_lower_case=True)
        policy = removal_policy or RemovalPolicy.RETAIN
        check_protection(CLUSTER, policy, deletion_protection)
        compiled = compile_migrations(self, migrations, dialect, use_settings=True)
        self.encryption_key = encryption_key
        self._resource_policy = resource_policy or iam.PolicyDocument()
        self._private_endpoint = private_endpoint
        if private_endpoint and migrator_vpc is None:
            raise ConstructError(
                f"{self.node.path} has private_endpoint=True, but no migrator_vpc",
                "the migrator also connects by the private host name, which resolves in a VPC only",
                "pass migrator_vpc, and create the interface endpoint in that VPC",
            )
        self._needed_stacks = stacks_of(
            *(encryption_key, migrator_vpc, migrator_role, migrator_log_group),
            *(migrator_security_groups or ()),
        )
        elsewhere = GrantsElsewhere(self)
        self.cluster = make_cluster(
            self,
            removal_policy=policy,
            deletion_protection=deletion_protection,
            encryption_key=encryption_key,
            resource_policy=self._resource_policy,
        )
        self.backup = None if backup is None else self._backup(backup, policy)
        self.peer = self.peering = None
        self.migrator = Migrator(
            self,
            "Migrator",
            database=self,
            migrations=compiled,
            elsewhere=elsewhere,
            removal_policy=policy,
            runtime=migrator_runtime,
            architecture=migrator_architecture,
            memory=migrator_memory,
            timeout=migrator_timeout,
            service_timeout=migrator_service_timeout,
            log_group=migrator_log_group,
            role=migrator_role,
            tracing=migrator_tracing,
            reserved_concurrency=migrator_reserved_concurrency,
            vpc=migrator_vpc,
            vpc_subnets=migrator_vpc_subnets,
            security_groups=migrator_security_groups,
        )
        self._role_mapper = RoleMapper(
            self.node.id,
            endpoint=self.connection_endpoint,
            migrator=self.migrator,
            roles=CustomRoles(self.node.id, compiled),
            elsewhere=elsewhere,
        )
        if multi_region is not None:
            if backup is not None and backup.has_no_copies:
                warn_about_backup_without_copy(self, multi_region.peer)
            self._add_peer_cluster(multi_region, policy, deletion_protection)
        for made_here in filter(None, (self, self.peer)):
            for key, value in (tags or {}).items():
                Tags.of(made_here).add(key, value)

    def _add_peer_cluster(
        self, wanted: MultiRegion, policy: RemovalPolicy, deletion_protection: bool | None
    ) -> None:
        """Create the peer cluster, and migrate only after the peering is complete."""
        check_regions(self, wanted)
        if wanted.resource_policy is None and not self._resource_policy.is_empty:
            warn_about_peer_without_policy(self, wanted.peer)
        self.peer = PeerCluster(
            wanted.peer,
            self.node.id,
            multi_region=wanted,
            removal_policy=policy,
            deletion_protection=deletion_protection,
            private_endpoint=self.private_endpoint,
        )
        require_same_removal_policy(self.cluster, self.peer.cluster)
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
        peer_identifier = Fn.select(1, Fn.split("/", peer_arn(self.peer)))
        self.migrator.add_peer(self.node.id, [self.cluster_identifier, peer_identifier])
        self.migrator.migrated.add_resource_dependency(self.peering.peered)

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
    def role_mapper(self) -> RoleMapper:
        return self._role_mapper

    @property
    def needed_stacks(self) -> Sequence[Stack]:
        return self._needed_stacks

    @property
    def migrated(self) -> CfnResource:
        return self.migrator.migrated

    def endpoint_for(self, stack: Stack | None) -> RegionalEndpoint:
        if self.peer is None or stack is None:
            return super().endpoint_for(stack)
        return endpoint_in(self, self.peer, stack)

    def apply_removal_policy(self, policy: RemovalPolicy) -> None:
        """Apply a removal policy to the cluster, its peer, and the vaults of their backups."""
        super().apply_removal_policy(policy)
        if self.peer is not None:
            self.peer.cluster.apply_removal_policy(policy)
        for backup in (self.backup, None if self.peer is None else self.peer.backup):
            if backup is not None:
                backup.follow(policy)

    def add_to_resource_policy(self, statement: iam.PolicyStatement) -> iam.AddToResourcePolicyResult:
        """Add a statement to the resource policy of the cluster."""
        self._resource_policy.add_statements(statement)
        return iam.AddToResourcePolicyResult(statement_added=True, policy_dependable=self.cluster)

    def _backup(self, policy: BackupPolicy, removal_policy: RemovalPolicy) -> DatabaseBackup:
        return DatabaseBackup(
            self,
            "Backup",
            database=self,
            policy=policy,
            removal_policy=removal_policy,
            encryption_key=self.encryption_key,
        )
