"""The function that migrates a database on deploy, and the custom resource that calls it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

from aws_cdk import AssetHashType, CfnResource, CustomResource, Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from blocks import bundling
from blocks.layers import runtime_layer

if TYPE_CHECKING:
    from blocks.interface import IDistributedDatabase
    from blocks.manifests import Manifest
    from blocks.mappings import RoleMappings

RESOURCE_TYPE = "Custom::DsqlMigrations"

SERVICE_TIMEOUT = Duration.hours(1)
"""The longest a custom resource may take (CloudFormation user guide, `ServiceTimeout`)."""


class Migrator(Construct):
    """Applies a database's migrations and role mappings whenever they, the cluster or this code change.

    The custom resource calls the function itself, without a provider framework in between: no function, role or
    wildcard permission that is not ours. That token cannot be changed on a deployed stack.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        database: IDistributedDatabase,
        manifest: Manifest,
        role_mappings: RoleMappings,
        removal_policy: RemovalPolicy,
        runtime: lambda_.Runtime,
        architecture: lambda_.Architecture,
        memory: Size,
        timeout: Duration,
        log_group: logs.ILogGroup | None,
        role: iam.IRole | None,
    ) -> None:
        super().__init__(scope, id)
        self.log_group: logs.ILogGroup = log_group or logs.LogGroup(
            self, "LogGroup", retention=logs.RetentionDays.ONE_MONTH, removal_policy=removal_policy
        )
        """Where the function writes its log."""
        self.role: iam.IRole = role or iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Migrates the database {database.node.id} as its admin",
        )
        """The only role that logs in as `admin`."""
        self.log_group.grant_write(self.role)
        database.grants.actions(self.role, "dsql:DbConnectAdmin")
        layer = runtime_layer(self, runtime, architecture)
        self.function = lambda_.Function(
            self,
            "Function",
            code=_code(bundling.migrator(manifest.text)),
            handler="lambda_migrator.handler.handler",
            runtime=runtime,
            architecture=architecture,
            memory_size=memory.to_mebibytes(),
            timeout=timeout,
            layers=[layer],
            role=self.role,
            log_group=self.log_group,
            description=f"Migrates the database {database.node.id}",
        )
        """The function that CloudFormation calls."""
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            service_token=self.function.function_arn,
            service_timeout=SERVICE_TIMEOUT,
            properties={
                "Database": database.node.id,
                "Endpoint": database.cluster_endpoint,
                "Region": Stack.of(self).region,
                "ManifestDigest": manifest.digest,
                "CodeDigest": _code_digest(runtime, architecture),
                "Grants": role_mappings.render(),
            },
        )
        """Complete once the migrations are applied and the roles are mapped."""
        self.resource.node.add_dependency(self._allow_continuing())

    @property
    def migrated(self) -> CfnResource:
        """The custom resource as CloudFormation sees it."""
        return cast("CfnResource", self.resource.node.default_child)

    def _allow_continuing(self) -> iam.Policy:
        """Let the function call itself with the same event when its time is nearly up.

        A policy of its own, because the function waits for its role's default policy, which therefore cannot name
        the function. `grant_invoke` would allow every version and alias too.
        """
        policy = iam.Policy(self, "Continue", roles=[self.role])
        policy.add_statements(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self.function.function_arn])
        )
        return policy


def _code(bundle: bundling.Bundle) -> lambda_.Code:
    return lambda_.Code.from_asset(
        str(bundle.path), asset_hash=bundle.digest, asset_hash_type=AssetHashType.CUSTOM
    )


def _code_digest(runtime: lambda_.Runtime, architecture: lambda_.Architecture) -> str:
    target = bundling.Target(runtime.name.removeprefix("python"), architecture.name)
    digests = bundling.migrator_code_digest() + bundling.runtime_layer(target).digest
    return hashlib.sha256(digests.encode()).hexdigest()
