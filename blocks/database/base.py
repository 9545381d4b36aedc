"""Attributes of every database, on which grants, endpoints and the migrator rest."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Protocol

from blocks.database.metrics import ClusterMetrics
from blocks.database.reachability import Reachability
from blocks.shared.arguments import DATABASE_OR_TABLE, required
from blocks_runtime.contract import variable_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import CfnResource, Stack
    from aws_cdk import aws_lambda as lambda_
    from constructs import Construct

    from blocks.database.places import Place, PolicyPlace
    from blocks.database.role_mapper import RoleMapper
    from blocks.shared.grantees import Grantee
    from blocks_runtime.contract import Variables


class Endpoint(Protocol):
    """The endpoint of a database in one Region."""

    @property
    def cluster_arn(self) -> str:
        """The ARN that grantees of this Region may act on."""

    def variables(self, role: str) -> Variables:
        """Return the variables of code in this Region that logs in with the database role `role`."""

    def place_of(self, grantee: Grantee) -> Place:
        """Return the stacks of the grant of `grantee`."""

    def is_deployed_after(self, stack: Stack) -> bool:
        """Return whether the database needs `stack`, which therefore cannot refer to the cluster."""

    def policy_place_of(self, grantee: Grantee) -> PolicyPlace:
        """Return the stacks of a policy of `grantee` without a mapping."""

    def depend_on_migrations(self, function: lambda_.Function) -> None:
        """Deploy new code of `function` only after the migrations."""


class DatabaseBase(ClusterMetrics):
    """A cluster with its endpoints and its migrator, if it has one."""

    def __init__(self, scope: Construct, id: str) -> None:
        required(DATABASE_OR_TABLE, {"scope": scope, "id": id})
        variable_prefix(id)  # raises ValueError early for an id that no variable can be named after
        super().__init__(scope, id)
        self._reachability = Reachability(self)

    @property
    def reachability(self) -> Reachability:
        """The validation, at synth, of the network paths from functions to the cluster."""
        return self._reachability

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
    def role_mapper(self) -> RoleMapper | None:
        """The creator of mappings of IAM roles to database roles; None without a migrator."""

    @property
    def needed_stacks(self) -> Sequence[Stack]:
        """Other stacks that the stack of the database needs, and that therefore cannot depend on it."""
        return ()

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
