"""The function that migrates a database on deploy, and the custom resource that invokes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict, cast

from aws_cdk import (
    Aspects,
    CfnOutput,
    CfnResource,
    CustomResource,
    Duration,
    RemovalPolicy,
    Size,
    Stack,
    Token,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from blocks import bundling
from blocks.database.exports import export_always
from blocks.database.reachability import WaitForConnectivity
from blocks.shared.acknowledgments import ANY_RESOURCE, acknowledge
from blocks.shared.arguments import FUNCTION, checked
from blocks.shared.custom_resource import (
    LONGEST_TIMEOUT,
    description,
    make_custom_resource,
    make_log_group,
    make_role,
)
from blocks.shared.errors import ConstructError
from blocks.shared.layers import code_of, default_runtime, runtime_layer, target_of
from blocks.shared.role_policies import role_for_policies
from blocks_runtime.contract import ADMIN_ROLE, cluster_variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_ec2 as ec2

    from blocks.database.elsewhere import GrantsElsewhere
    from blocks.database.interface import IDistributedDatabase
    from dsql_dialect.migrations import CompiledMigrations

RESOURCE_TYPE = "Custom::DsqlMigrations"

_HANDLER = "lambda_migrator.handler.handler"

# Minutes. Lambda stops a function that invokes itself after 16 times (AWS guide, recursive loop detection).
_SHORTEST, _LONGEST = 4, 15

# Minutes. CloudFormation user guide, custom resources, `ServiceTimeout`.
_SHORTEST_SERVICE, _LONGEST_SERVICE = 1, 60

# Mebibytes. AWS Lambda guide, "Configure Lambda function memory".
_SMALLEST, _LARGEST = 128, 10_240
_MEMORY = 512

# AWS Lambda guide, "Giving Lambda functions access to resources in an Amazon VPC". The resources are not known
# before Lambda creates the interfaces.
_NETWORK_INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


class MigratorOptions(TypedDict, total=False):
    """Options of the migrator of an imported cluster, as those of `DistributedDatabase`."""

    migrator_runtime: lambda_.Runtime | None
    migrator_architecture: lambda_.Architecture | None
    migrator_memory: Size | None
    migrator_timeout: Duration | None
    migrator_service_timeout: Duration | None
    migrator_log_group: logs.ILogGroup | None
    migrator_role: iam.IRole | None
    migrator_tracing: lambda_.Tracing | None
    migrator_reserved_concurrency: int | None
    migrator_vpc: ec2.IVpc | None
    migrator_vpc_subnets: ec2.SubnetSelection | None
    migrator_security_groups: Sequence[ec2.ISecurityGroup] | None


class Migrator(Construct):
    """Applies the migrations of a database whenever they, the cluster or the migrator's code change.

    Its function also handles the grants, which are custom resources in the stacks of the grantees.
    """

    log_group: logs.ILogGroup
    """Log group of the function."""
    role: iam.IRole
    """IAM role of the function, the only one that may log in as `admin` by default."""
    function: lambda_.Function
    """The function that CloudFormation invokes."""
    resource: CustomResource
    """Complete once the migrations are applied."""
    service_timeout: Duration
    """Time that CloudFormation waits for the function."""

    @checked(FUNCTION)
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        database: IDistributedDatabase,
        migrations: CompiledMigrations,
        elsewhere: GrantsElsewhere,
        removal_policy: RemovalPolicy,
        runtime: lambda_.Runtime | None = None,
        architecture: lambda_.Architecture | None = None,
        memory: Size | None = None,
        timeout: Duration | None = None,
        service_timeout: Duration | None = None,
        log_group: logs.ILogGroup | None = None,
        role: iam.IRole | None = None,
        tracing: lambda_.Tracing | None = None,
        reserved_concurrency: int | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
    ) -> None:
        """Create the function and the custom resource.

        Args:
            scope: parent construct, the database.
            id: construct id.
            database: database to migrate.
            migrations: migrations to apply.
            elsewhere: roles of this stack that are granted in other stacks; those added until synthesis count.
            removal_policy: removal policy of a new log group.
            runtime: Python runtime. Default: the newest that is supported.
            architecture: processor architecture. Default: x86_64.
            memory: memory of the function. Default: 512 MiB.
            timeout: timeout of one invocation, 4 to 15 minutes. Default: 15 minutes.
            service_timeout: time that CloudFormation waits for all invocations, up to an hour. Default: an hour.
            log_group: log group. Default: a new log group with a retention of a month.
            role: IAM role. Default: a new role.
            tracing: X-Ray tracing. Default: disabled.
            reserved_concurrency: reserved concurrent executions. Default: none; it uses the unreserved concurrency
                of the account.
            vpc: VPC of the function. Default: no VPC, with access to the internet.
            vpc_subnets: subnets of `vpc`. Default: the private subnets.
            security_groups: security groups in `vpc`. Default: a new one that allows all outbound and no inbound
                traffic.

        Raises:
            ConstructError: an option has the wrong type or is out of bounds, psycopg does not load in the runtime,
                or there are options of a VPC but no VPC.
            BundlingError: a wheel of the runtime layer cannot be downloaded.
        """
        super().__init__(scope, id)
        runtime = runtime or default_runtime()
        architecture = architecture or lambda_.Architecture.X86_64
        self.log_group = log_group or make_log_group(self, removal_policy)
        self.role = role or make_role(self, f"Migrates the database {database.node.id} as its admin")
        permitted = role_for_policies(self, self.role)
        granted = [
            statement
            for grant in (
                self.log_group.grant_write(permitted),
                # What the role lacks is one warning of the custom resource.
                iam.Grant.add_to_principal(
                    grantee=permitted, actions=["dsql:DbConnectAdmin"], resource_arns=[database.cluster_arn]
                ),
            )
            for statement in grant.principal_statements
        ]
        self.service_timeout = _service_timeout(service_timeout)
        _check_network(vpc, vpc_subnets, security_groups)
        if vpc is not None:
            granted.append(_network_interfaces())
            permitted.add_to_principal_policy(granted[-1])
        self.function = lambda_.Function(
            self,
            "Function",
            code=_code(migrations),
            handler=_HANDLER,
            runtime=runtime,
            architecture=architecture,
            memory_size=_mebibytes(memory or Size.mebibytes(_MEMORY)),
            timeout=_checked(timeout or Duration.minutes(_LONGEST)),
            layers=[runtime_layer(self, runtime, architecture)],
            role=self.role,
            # The admin connects with these. What CloudFormation sends names no endpoint to connect to.
            environment={
                **database.variables(ADMIN_ROLE).environment(database.node.id),
                cluster_variable(database.node.id): database.cluster_identifier,
            },
            log_group=self.log_group,
            tracing=tracing,
            reserved_concurrent_executions=_at_least_one(reserved_concurrency),
            vpc=vpc,
            vpc_subnets=vpc_subnets,
            # CDK refuses public subnets without it; `Reachability` does so unless there are endpoints.
            allow_public_subnet=None if vpc is None else True,
            security_groups=security_groups,
            description=description(f"Migrates the database {database.node.id}"),
        )
        if permitted is not self.role:
            self.function.node.add_dependency(permitted)
        if vpc is not None or tracing not in (None, lambda_.Tracing.DISABLED):
            acknowledge(permitted, ANY_RESOURCE)
        self.resource = make_custom_resource(
            self,
            RESOURCE_TYPE,
            function=self.function,
            role=permitted,
            properties={
                "Database": database.node.id,
                "Endpoint": database.connection_endpoint,
                "Region": Stack.of(self).region,
                "ManifestDigest": migrations.digest,
                "CodeDigest": bundling.migrator_code_digest(target_of(runtime, architecture)),
                "Elsewhere": elsewhere.render(),
            },
            granted=granted,
            service_timeout=self.service_timeout,
        )
        export_always(
            self.migrated, self.function.function_arn, database.cluster_arn, database.connection_endpoint
        )
        CfnOutput(
            self,
            "Status",
            value=self.resource.get_att_string("Status"),
            description=f"State of the migrations of {database.node.id}: the newest one, or those that it is ahead by",
        )
        database.reachability.require(self.function, is_migrator=True)
        if vpc is not None:
            Aspects.of(self.resource).add(WaitForConnectivity(self.resource, vpc))

    def add_peer(self, name: str, identifiers: Sequence[str]) -> None:
        """Tell the function that the database `name` has these clusters, one in each Region."""
        self.function.add_environment(cluster_variable(name), ",".join(identifiers))

    @property
    def migrated(self) -> CfnResource:
        """The L1 custom resource."""
        return cast("CfnResource", self.resource.node.default_child)


def _network_interfaces() -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(_NETWORK_INTERFACES), resources=["*"])


def _code(migrations: CompiledMigrations) -> lambda_.Code:
    manifest = json.dumps(migrations.document(), indent=2, ensure_ascii=False) + "\n"
    return code_of(bundling.migrator(manifest))


def _mebibytes(memory: Size) -> int | float:
    size = memory.to_mebibytes()
    if not Token.is_unresolved(size) and not _SMALLEST <= size <= _LARGEST:
        raise ConstructError(
            f"migrator_memory is {size:,} MiB, not {_SMALLEST} to {_LARGEST:,} MiB",
            "Lambda has no other memory sizes",
            f"leave it out for {_MEMORY} MiB",
        )
    return size


def _checked(timeout: Duration) -> Duration:
    if not timeout.is_unresolved() and not _SHORTEST <= timeout.to_minutes(integral=False) <= _LONGEST:
        raise ConstructError(
            f"migrator_timeout is {timeout.to_human_string()}, not {_SHORTEST} to {_LONGEST} minutes",
            f"Lambda runs a function for {_LONGEST} minutes at most and stops one that invokes itself over 16 times, "
            "as the migrator does for up to an hour",
            f"leave it out for {_LONGEST} minutes",
        )
    return timeout


def _service_timeout(timeout: Duration | None) -> Duration:
    timeout = timeout or LONGEST_TIMEOUT
    if not timeout.is_unresolved():
        minutes = timeout.to_minutes(integral=False)
        if not _SHORTEST_SERVICE <= minutes <= _LONGEST_SERVICE:
            raise ConstructError(
                f"migrator_service_timeout is {timeout.to_human_string()}, not {_SHORTEST_SERVICE} to "
                f"{_LONGEST_SERVICE} minutes",
                "CloudFormation waits for an hour at most, and the migrator needs time to answer before the end",
                f"leave it out for {_LONGEST_SERVICE} minutes",
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
            "migrator_vpc_subnets or migrator_security_groups is set, but no migrator_vpc",
            "subnets and security groups belong to a VPC",
            "pass migrator_vpc as well, or leave them out",
        )
