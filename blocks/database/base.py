"""Attributes of every database, on which grants, endpoints and the migrator rest."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Protocol

from blocks.database.metrics import ClusterMetrics
from blocks_runtime.contract import variable_prefix

if TYPE_CHECKING:
    from aws_cdk import CfnResource, Stack
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

    from blocks.database.mappings import RoleMappings
    from blocks.shared.grantees import Grantee
    from blocks_runtime.contract import Variables


class Endpoint(Protocol):
    """The endpoint of a database in one Region."""

    @property
    def cluster_arn(self) -> str:
        """The ARN that grantees of this Region may act on."""

    def variables(self, role: str) -> Variables:
        """Return the variables of code in this Region that logs in with the database role `role`."""

    def role_arn(self, grantee: Grantee) -> str:
        """Return the ARN of the grantee's role, as the migrator's template can refer to it."""

    def depend_on_migrations(self, function: lambda_.Function) -> None:
        """Deploy new code of `function` only after the migrations."""


class DatabaseBase(ClusterMetrics):
    """A cluster with its endpoints and its migrator, if it has one."""

    def __init__(self, scope: Construct, id: str) -> None:
        variable_prefix(id)  # raises ValueError early for an id that no variable can be named after
        super().__init__(scope, id)

    @property
    @abc.abstractmethod
    def cluster_identifier(self) -> str:
        """The identifier of the cluster: 26 characters."""

    @property
    @abc.abstractmethod
    def cluster_arn(self) -> str:
        """The ARN of the cluster."""

    @property
    @abc.abstractmethod
    def cluster_endpoint(self) -> str:
        """The host name to connect to, port 5432."""

    @property
    def private_endpoint(self) -> bool:
        """True if functions and the migrator connect by a host name that resolves in a VPC only."""
        return False

    @property
    def connection_endpoint(self) -> str:
        """The host name that functions and the migrator connect to."""
        return self.cluster_endpoint

    @property
    @abc.abstractmethod
    def vpc_endpoint_service_name(self) -> str:
        """The service of an interface endpoint, to reach the cluster from a VPC without internet access."""

    @property
    @abc.abstractmethod
    def role_mappings(self) -> RoleMappings | None:
        """The IAM roles that the migrator maps to database roles; None without a migrator."""

    @property
    @abc.abstractmethod
    def migrated(self) -> CfnResource | None:
        """The resource that is complete once the migrations are applied; None without a migrator."""

    @abc.abstractmethod
    def variables(self, role: str) -> Variables:
        """Return endpoint and Region of this database, for the database role `role`."""

    @abc.abstractmethod
    def endpoint_for(self, stack: Stack | None) -> Endpoint:
        """Return the endpoint for constructs of `stack`."""
