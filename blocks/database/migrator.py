"""The function that migrates a database on deploy, and the custom resource that calls it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict, cast

from aws_cdk import CfnResource, CustomResource, Duration, RemovalPolicy, Size, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from blocks import bundling
from blocks.shared.acknowledgments import ANY_RESOURCE, acknowledge
from blocks.shared.arguments import FUNCTION, checked
from blocks.shared.custom_resource import called, own_log_group, own_role
from blocks.shared.errors import ConstructError
from blocks.shared.layers import code_of, runtime_layer, target_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_ec2 as ec2

    from blocks.database.interface import IDistributedDatabase
    from blocks.database.mappings import RoleMappings
    from dsql_dialect.migrations import CompiledMigrations

RESOURCE_TYPE = "Custom::DsqlMigrations"

_HANDLER = "lambda_migrator.handler.handler"

# Minutes. After 16 times Lambda stops a function that calls itself (AWS guide, recursive loop detection).
_SHORTEST, _LONGEST = 4, 15

# Mebibytes. AWS Lambda guide, "Configure Lambda function memory".
_SMALLEST, _LARGEST = 128, 10_240

# AWS Lambda guide, "Giving Lambda functions access to resources in an Amazon VPC". None of them takes a resource
# that is known before Lambda makes the interfaces.
_NETWORK_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


class MigratorOptions(TypedDict, total=False):
    """How an imported cluster is migrated: the options that `DistributedDatabase` has of these names."""

    migrator_runtime: lambda_.Runtime | None
    migrator_architecture: lambda_.Architecture | None
    migrator_memory: Size | None
    migrator_timeout: Duration | None
    migrator_log_group: logs.ILogGroup | None
    migrator_role: iam.IRole | None
    migrator_tracing: lambda_.Tracing | None
    migrator_reserved_concurrency: int | None
    migrator_vpc: ec2.IVpc | None
    migrator_vpc_subnets: ec2.SubnetSelection | None
    migrator_security_groups: Sequence[ec2.ISecurityGroup] | None


class Migrator(Construct):
    """Applies a database's migrations and role mappings whenever they, the cluster or this code change."""

    log_group: logs.ILogGroup
    """Where the function writes its log."""
    role: iam.IRole
    """The role the function runs as, the only one that logs in as `admin` unasked."""
    function: lambda_.Function
    """The function that CloudFormation calls."""
    resource: CustomResource
    """Complete once the migrations are applied and the roles are mapped."""

    @checked(FUNCTION)
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        database: IDistributedDatabase,
        migrations: CompiledMigrations,
        role_mappings: RoleMappings,
        removal_policy: RemovalPolicy,
        runtime: lambda_.Runtime | None = None,
        architecture: lambda_.Architecture | None = None,
        memory: Size | None = None,
        timeout: Duration | None = None,
        log_group: logs.ILogGroup | None = None,
        role: iam.IRole | None = None,
        tracing: lambda_.Tracing | None = None,
        reserved_concurrency: int | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
    ) -> None:
        """Make the function and the custom resource.

        Args:
            scope: the database this belongs to.
            id: the id below it.
            database: what to migrate.
            migrations: what to apply.
            role_mappings: whom to let in; what is added until synthesis counts.
            removal_policy: what becomes of the log group of its own.
            runtime: the Python version. Default: Python 3.14.
            architecture: the processor. Default: x86_64.
            memory: the function's memory. Default: 512 MiB.
            timeout: of one invocation, 4 to 15 minutes. Default: 15 minutes.
            log_group: where to log. Default: a log group of its own that keeps a month.
            role: what to run as. Default: a role of its own.
            tracing: whether X-Ray follows an invocation. Default: disabled.
            reserved_concurrency: how many invocations may run at once, and are set aside for it. Default: none
                are set aside; it takes from the account's.
            vpc: the network it runs in. Default: none of yours, with access to the internet.
            vpc_subnets: where in `vpc`. Default: the private subnets.
            security_groups: what may reach it in `vpc`, and whom it may reach. Default: one of its own that
                lets everything out and nothing in.

        Raises:
            ConstructError: an option is of another kind or out of its bounds, psycopg does not load in the
                runtime, or there is something about a VPC but no VPC.
            BundlingError: a wheel of the runtime layer cannot be had.
        """
        super().__init__(scope, id)
        runtime = runtime or lambda_.Runtime.PYTHON_3_14
        architecture = architecture or lambda_.Architecture.X86_64
        self.log_group = log_group or own_log_group(self, removal_policy)
        self.role = role or own_role(self, f"Migrates the database {database.node.id} as its admin")
        self.log_group.grant_write(self.role)
        database.grants.actions(self.role, "dsql:DbConnectAdmin")
        _check_network(vpc, vpc_subnets, security_groups)
        if vpc is not None:
            self._allow_network_interfaces()
        self.function = lambda_.Function(
            self,
            "Function",
            code=_code(migrations),
            handler=_HANDLER,
            runtime=runtime,
            architecture=architecture,
            memory_size=_mebibytes(memory or Size.mebibytes(512)),
            timeout=_checked(timeout or Duration.minutes(15)),
            layers=[runtime_layer(self, runtime, architecture)],
            role=self.role,
            log_group=self.log_group,
            tracing=tracing,
            reserved_concurrent_executions=_at_least_one(reserved_concurrency),
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            security_groups=security_groups,
            description=f"Migrates the database {database.node.id}",
        )
        if vpc is not None or tracing not in (None, lambda_.Tracing.DISABLED):
            acknowledge(self.role, ANY_RESOURCE)
        self.resource = called(
            self,
            RESOURCE_TYPE,
            function=self.function,
            role=self.role,
            properties={
                "Database": database.node.id,
                "Endpoint": database.connection_endpoint,
                "Region": Stack.of(self).region,
                "ManifestDigest": migrations.digest,
                "CodeDigest": bundling.migrator_code_digest(target_of(runtime, architecture)),
                "Grants": role_mappings.render(),
            },
        )

    @property
    def migrated(self) -> CfnResource:
        """The custom resource as CloudFormation sees it."""
        return cast("CfnResource", self.resource.node.default_child)

    def _allow_network_interfaces(self) -> None:
        self.role.add_to_principal_policy(
            iam.PolicyStatement(actions=list(_NETWORK_INTERFACES), resources=["*"])
        )


def _code(migrations: CompiledMigrations) -> lambda_.Code:
    manifest = json.dumps(migrations.manifest(), indent=2, ensure_ascii=False) + "\n"
    return code_of(bundling.migrator(manifest))


def _mebibytes(memory: Size) -> int | float:
    size = memory.to_mebibytes()
    if not Token.is_unresolved(size) and not _SMALLEST <= size <= _LARGEST:
        raise ConstructError(
            f"migrator_memory is {size:,} MiB, not {_SMALLEST} to {_LARGEST:,} MiB",
            "Lambda makes no function with another size",
            "leave it out for 512 MiB",
        )
    return size


def _checked(timeout: Duration) -> Duration:
    if not timeout.is_unresolved() and not _SHORTEST <= timeout.to_minutes(integral=False) <= _LONGEST:
        raise ConstructError(
            f"migrator_timeout is {timeout.to_human_string()}, not {_SHORTEST} to {_LONGEST} minutes",
            "Lambda runs a function for 15 minutes at most and stops one that calls itself over 16 times, "
            "as the migrator does until an hour is over",
            "leave it out for 15 minutes",
        )
    return timeout


def _at_least_one(concurrency: int | None) -> int | None:
    if concurrency is not None and not Token.is_unresolved(concurrency) and concurrency < 1:
        raise ConstructError(
            f"migrator_reserved_concurrency is {concurrency}",
            "the migrations could then never run, and the deploy would wait for them for an hour",
            "choose 1 or more, or leave it out",
        )
    return concurrency


def _check_network(
    vpc: ec2.IVpc | None,
    subnets: ec2.SubnetSelection | None,
    security_groups: Sequence[ec2.ISecurityGroup] | None,
) -> None:
    if vpc is None and (subnets is not None or security_groups is not None):
        raise ConstructError(
            "migrator_vpc_subnets or migrator_security_groups is given, but no migrator_vpc",
            "subnets and security groups are those of a VPC",
            "pass migrator_vpc, too, or leave them out",
        )
