"""A database whose cluster was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks.errors import ConstructError
from blocks.interface import IDistributedDatabase

if TYPE_CHECKING:
    from aws_cdk import CfnResource
    from constructs import Construct

    from blocks.mappings import RoleMappings


class ImportedDatabase(IDistributedDatabase):
    """A cluster that another stack or tool made; made by `DistributedDatabase.from_cluster_attributes`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster_identifier: str,
        cluster_endpoint: str | None = None,
        vpc_endpoint_service_name: str | None = None,
    ) -> None:
        """Describe the cluster.

        Args:
            scope: the construct this belongs to.
            id: the database's name.
            cluster_identifier: the identifier of the cluster, 26 characters.
            cluster_endpoint: its host name. Default: made of identifier and Region, as DSQL does.
            vpc_endpoint_service_name: its service for interface endpoints.
                Default: unknown, asking for it is an error.
        """
        super().__init__(scope, id)
        self._identifier = cluster_identifier
        self._endpoint = cluster_endpoint or f"{cluster_identifier}.dsql.{Stack.of(self).region}.on.aws"
        self._vpc_endpoint_service_name = vpc_endpoint_service_name

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
                "the cluster is imported, and the name cannot be told from its identifier",
                "pass vpc_endpoint_service_name to from_cluster_attributes",
            )
        return self._vpc_endpoint_service_name

    @property
    def role_mappings(self) -> RoleMappings | None:
        return None

    @property
    def migrated(self) -> CfnResource | None:
        return None
