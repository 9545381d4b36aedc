"""The cluster in the second Region, and its endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import CfnOutput, Fn, RemovalPolicy, Stack, Tokenization
from aws_cdk import aws_iam as iam

from blocks.database.backups import DatabaseBackup
from blocks.database.cluster import connection_endpoint, make_cluster
from blocks.database.endpoints import RegionalEndpoint
from blocks.database.exports import export_always
from blocks.database.metrics import ClusterMetrics
from blocks.database.places import Place, PolicyPlace
from blocks.database.roles import role_name
from blocks.shared.errors import ConstructError
from blocks.shared.grantees import enclosing_stacks, owner_of
from blocks.shared.outputs import output_id
from blocks_runtime.contract import Access, Variables

if TYPE_CHECKING:
    from aws_cdk import CfnElement, Reference
    from aws_cdk import aws_dsql as dsql
    from aws_cdk import aws_lambda as lambda_

    from blocks.database.interface import IDistributedDatabase
    from blocks.database.multi_region import MultiRegion
    from blocks.database.roles import Rights
    from blocks.shared.grantees import Grantee


class PeerCluster(ClusterMetrics):
    """The cluster of a database in its second Region, in the peer's stack under the database's id.

    It is created with the witness alone and stays in PENDING_SETUP until the stack of the database peers it.
    """

    cluster: dsql.CfnCluster
    """The L1 cluster, for properties without an argument here."""
    backup: DatabaseBackup | None
    """The backups in this Region; None without `MultiRegion(backup=…)`."""

    def __init__(
        self,
        scope: Stack,
        id: str,
        *,
        multi_region: MultiRegion,
        removal_policy: RemovalPolicy,
        deletion_protection: bool | None = None,
        private_endpoint: bool = False,
    ) -> None:
        """Create the cluster.

        Args:
            scope: stack in the second Region.
            id: id of the database.
            multi_region: options of the database.
            removal_policy: removal policy of the cluster.
            deletion_protection: whether DSQL refuses to delete it.
                Default: on, unless the removal policy is DESTROY.
            private_endpoint: whether to connect by the host name that resolves in a VPC only.
                Default: False, by the public one.
        """
        super().__init__(scope, id)
        self._private_endpoint = private_endpoint
        self._exports: dict[str, str] = {}
        self.cluster = make_cluster(
            self,
            removal_policy=removal_policy,
            deletion_protection=deletion_protection,
            encryption_key=multi_region.encryption_key,
            resource_policy=multi_region.resource_policy or iam.PolicyDocument(),
            witness_region=multi_region.witness_region,
        )
        export_always(
            self.cluster, self.cluster_arn, connection_endpoint(self.cluster, private=private_endpoint)
        )
        self.backup = None
        if multi_region.backup is not None:
            self.backup = DatabaseBackup(
                self,
                "Backup",
                database=self,
                policy=multi_region.backup,
                removal_policy=removal_policy,
                encryption_key=multi_region.encryption_key,
            )

    @property
    def cluster_identifier(self) -> str:
        """The identifier of the cluster: 26 characters."""
        return self.cluster.attr_identifier

    @property
    def cluster_arn(self) -> str:
        """The ARN of the cluster."""
        return self.cluster.attr_resource_arn

    @property
    def cluster_endpoint(self) -> str:
        """The host name to connect to in this Region, port 5432."""
        return self.cluster.attr_endpoint

    @property
    def vpc_endpoint_service_name(self) -> str:
        """The service of an interface endpoint in this Region."""
        return self.cluster.attr_vpc_endpoint_service_name

    def environment(self, access: Rights = Access.READ_WRITE) -> dict[str, str]:
        """Return the environment variables with which code in this Region opens the database.

        `grant_connect` sets them on functions; set them yourself on a container or an instance.

        Args:
            access: the access that `grant_connect` was called with. Default: reading and writing.
        """
        return self.variables(role_name(self.node.id, access)).environment(self.node.id)

    def variables(self, role: str) -> Variables:
        """Return endpoint and Region of the database here, for the database role `role`."""
        endpoint = connection_endpoint(self.cluster, private=self._private_endpoint)
        return Variables(endpoint=endpoint, region=Stack.of(self).region, role=role)

    def export_value(self, id: str, value: str) -> str:
        """Return a reference to `value` of this stack for another stack of the app, in any Region.

        It is an output, read by `Fn::GetStackOutput`, and needs no parameter store and no custom resource, as
        `cross_region_references` would. The reader must be deployed after this stack.
        """
        if id not in self._exports:
            stack, output = Stack.of(self), CfnOutput(self, id, value=value)
            self._exports[id] = Fn.get_stack_output(stack.stack_name, output.logical_id, stack.region)
        return self._exports[id]


class PeerEndpoint(RegionalEndpoint):
    """The endpoint in the peer's Region."""

    def __init__(self, database: IDistributedDatabase, peer: PeerCluster) -> None:
        super().__init__(database)
        self._peer = peer

    @property
    def cluster_arn(self) -> str:
        return self._peer.cluster_arn

    def variables(self, role: str) -> Variables:
        return self._peer.variables(role)

    def place_of(self, grantee: Grantee) -> Place:
        """Return the place of a grant: the mapping is in the stack of the database, where the migrator is.

        Raises:
            ConstructError: the role's stack is deployed too late, or the name of the role is not known before.
        """
        home = Stack.of(self._database)
        return Place(
            stack=grantee.stack,
            mapped_in=home,
            role_arn=self._role_arn(grantee, home),
            home=home,
            is_deployed_before_mapping=self._is_of_peer(grantee.stack),
        )

    def policy_place_of(self, grantee: Grantee) -> PolicyPlace:
        """Return the place of a policy: the stack of the grantee, which may be deployed before the database's."""
        return PolicyPlace(
            home=Stack.of(self._database),
            stack=grantee.stack,
            is_deployed_before_mapping=self._is_of_peer(grantee.stack),
        )

    def _role_arn(self, grantee: Grantee, home: Stack) -> str:
        """Return the ARN: that of a role of the peer's stack is an output of it, any other role needs a name."""
        owner = owner_of(grantee.arn)
        if owner is None:
            return grantee.arn
        if self._is_of_peer(owner):
            role = cast("Reference", Tokenization.reverse_string(grantee.arn).first_token).target
            return self._peer.export_value(output_id("Grantee", cast("CfnElement", role)), grantee.arn)
        if grantee.function is not None and self._is_of_peer(Stack.of(grantee.function)):
            raise self._role_too_late(grantee, owner)
        if not _has_name(grantee.arn, home):
            raise self._role_without_name(grantee, owner)
        return grantee.arn

    def is_deployed_after(self, stack: Stack) -> bool:
        """Return False: the peer's cluster needs no stack that the library knows."""
        del stack
        return False

    def depend_on_migrations(self, function: lambda_.Function) -> None:
        """Deploy `function` after the migrations, unless its stack is deployed before them."""
        if not self._is_of_peer(Stack.of(function)):
            super().depend_on_migrations(function)

    def _is_of_peer(self, stack: Stack) -> bool:
        """Return whether a stack is the peer's, or nested in it."""
        return Stack.of(self._peer) in enclosing_stacks(stack)

    def _role_too_late(self, grantee: Grantee, owner: Stack) -> ConstructError:
        peer = Stack.of(self._peer).node.path
        return ConstructError(
            f"{grantee.name} runs as a role of the stack {owner.node.path}, which is deployed after {peer}",
            f"{peer} is deployed first, since the database needs its cluster, and the function needs its role",
            f"create the role in {peer}, or leave role= out",
        )

    def _role_without_name(self, grantee: Grantee, owner: Stack) -> ConstructError:
        peer = Stack.of(self._peer).node.path
        return ConstructError(
            f"{grantee.name} runs as a role of the stack {owner.node.path}, which is deployed after the migrations",
            "the migrations map the role, so its name must be known before it exists",
            f"create the role in {peer} and pass it to the grantee, such as lambda_.Function(role=…), "
            "or give it role_name=PhysicalName.GENERATE_IF_NEEDED",
        )


def endpoint_in(database: IDistributedDatabase, peer: PeerCluster, stack: Stack) -> RegionalEndpoint:
    """Return the endpoint in the Region of `stack`.

    Raises:
        ConstructError: the database has no endpoint there.
    """
    own = {Stack.of(database).region: RegionalEndpoint(database)}
    own[Stack.of(peer).region] = PeerEndpoint(database, peer)
    if stack.region not in own:
        raise ConstructError(
            f"{stack.node.path} is in {_described(stack)}, where {database.node.path} has no endpoint",
            f"the database has endpoints in {' and '.join(own)}",
            "create the grantee in a stack of one of these Regions, with an explicit env",
        )
    return own[stack.region]


def _described(stack: Stack) -> str:
    from aws_cdk import Token

    return "no explicit Region" if Token.is_unresolved(stack.region) else stack.region


def _has_name(arn: str, home: Stack) -> bool:
    """Return whether `arn` can be resolved in the stack `home`, which is in another environment."""
    try:
        home.resolve(arn)
    except RuntimeError:  # jsii's class for an error of the CDK: the physical name is not set
        return False
    return True
