"""What every database offers, one made by this app and one that was there before."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks.database.endpoints import RegionalEndpoint
from blocks.database.grants import DatabaseGrants
from blocks.database.metrics import ClusterMetrics
from blocks.database.roles import role_name
from blocks_runtime.contract import Access, Variables, variable_prefix

if TYPE_CHECKING:
    from aws_cdk import CfnResource
    from aws_cdk import aws_iam as iam
    from constructs import Construct

    from blocks.database.mappings import RoleMappings
    from blocks.database.roles import Rights


class IDistributedDatabase(ClusterMetrics):
    """A DSQL cluster that functions and roles can be let into; its id is the name that code opens it by."""

    def __init__(self, scope: Construct, id: str) -> None:
        # The name becomes part of the variables' names; say early that it cannot.
        variable_prefix(id)
        super().__init__(scope, id)
        self._grants = DatabaseGrants.from_database(self)

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
        """Whether functions and the migrator connect by a host name that answers in a VPC alone."""
        return False

    @property
    def connection_endpoint(self) -> str:
        """The host name that functions and the migrator connect to."""
        return self.cluster_endpoint

    @property
    @abc.abstractmethod
    def vpc_endpoint_service_name(self) -> str:
        """The service to make an interface endpoint for, to reach the cluster from a VPC without internet."""

    @property
    @abc.abstractmethod
    def role_mappings(self) -> RoleMappings | None:
        """The IAM roles that the migrator lets in as database roles; None where there is no migrator."""

    @property
    @abc.abstractmethod
    def migrated(self) -> CfnResource | None:
        """The resource that is complete once the migrations are applied; None where there is no migrator."""

    @property
    def grants(self) -> DatabaseGrants:
        """The grants on this database."""
        return self._grants

    def grant_connect(self, grantee: iam.IGrantable, *, access: Rights = Access.READ_WRITE) -> iam.Grant:
        """Let `grantee` log in as the database role of `access`; see `DatabaseGrants.connect`.

        Args:
            grantee: a function, alias or version, or what else has an IAM role; an IAM user.
            access: the rights on the tables: an access level, or a `DatabaseRole` with privileges of its own.
                Default: reading and writing all of them.
        """
        return self.grants.connect(grantee, access=access)

    def grant_connect_admin(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` log in as `admin`, who may do everything; see `DatabaseGrants.connect_admin`."""
        return self.grants.connect_admin(grantee)

    def grant(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow `grantee` further IAM actions, such as `dsql:GetCluster`, on this cluster alone."""
        return self.grants.actions(grantee, *actions)

    def environment(self, access: Rights = Access.READ_WRITE) -> dict[str, str]:
        """Return the environment variables that code needs to open this database with `access`.

        Functions get them from `grant_connect`; they are for what has no such hook: a container, an instance.

        Args:
            access: what `grant_connect` was called with. Default: reading and writing.
        """
        return self.variables(role_name(self.node.id, access)).environment(self.node.id)

    def endpoint_for(self, stack: Stack | None) -> RegionalEndpoint:
        """Return this database as what stands in `stack` sees it: one Region has one endpoint."""
        del stack
        return RegionalEndpoint(self)

    def variables(self, role: str) -> Variables:
        """Return where this database is, for logging in as the database role `role`."""
        return Variables(endpoint=self.connection_endpoint, region=Stack.of(self).region, role=role)
