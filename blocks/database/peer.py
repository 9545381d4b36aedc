"""The cluster in the second Region, and how what runs there reaches the database."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, cast

from aws_cdk import CfnOutput, Fn, RemovalPolicy, Stack, Tokenization
from aws_cdk import aws_iam as iam
from constructs import Construct

from blocks.database.cluster import connection_endpoint, make_cluster
from blocks.database.endpoints import RegionalEndpoint
from blocks.database.roles import role_name
from blocks.shared.errors import ConstructError
from blocks.shared.grantees import Grantee, owner_of, surrounding
from blocks_runtime.contract import Access, Variables

if TYPE_CHECKING:
    from aws_cdk import Reference
    from aws_cdk import aws_dsql as dsql
    from aws_cdk import aws_lambda as lambda_

    from blocks.database.interface import IDistributedDatabase
    from blocks.database.multi_region import MultiRegion
    from blocks.database.roles import Rights


class PeerCluster(Construct):
    """The cluster of a database in its second Region; it stands in the peer's stack under the database's id.

    It is created with the witness alone and waits in PENDING_SETUP for the peering, which the stack of the
    database does.
    """

    cluster: dsql.CfnCluster
    """The cluster as CloudFormation sees it, for what has no argument here."""

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
        """Make the cluster.

        Args:
            scope: the stack in the second Region.
            id: the database's id.
            multi_region: what was asked for.
            removal_policy: what becomes of the cluster when it leaves the stack.
            deletion_protection: whether DSQL refuses to delete it.
                Default: on, unless the removal policy is DESTROY.
            private_endpoint: whether to connect by the host name that answers in a VPC alone.
                Default: False, by the public one.
        """
        super().__init__(scope, id)
        self._private_endpoint = private_endpoint
        self._told: dict[str, str] = {}
        self.cluster = make_cluster(
            self,
            removal_policy=removal_policy,
            deletion_protection=deletion_protection,
            encryption_key=multi_region.encryption_key,
            resource_policy=multi_region.resource_policy or iam.PolicyDocument(),
            witness_region=multi_region.witness_region,
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
        """The service to make an interface endpoint for in this Region."""
        return self.cluster.attr_vpc_endpoint_service_name

    def environment(self, access: Rights = Access.READ_WRITE) -> dict[str, str]:
        """Return the environment variables that code of this Region needs to open the database.

        Functions get them from `grant_connect`; they are for what has no such hook: a container, an instance.

        Args:
            access: what `grant_connect` was called with. Default: reading and writing.
        """
        return self.variables(role_name(self.node.id, access)).environment(self.node.id)

    def variables(self, role: str) -> Variables:
        """Return where the database is in this Region, for logging in as the database role `role`."""
        endpoint = connection_endpoint(self.cluster, private=self._private_endpoint)
        return Variables(endpoint=endpoint, region=Stack.of(self).region, role=role)

    def tell(self, id: str, value: str) -> str:
        """Return `value` of this stack as another stack of the app, in any Region, can read it.

        An output, read by `Fn::GetStackOutput`: it needs no parameter store and no function of CDK's own, as
        `cross_region_references` would. The reader must be deployed after this stack.
        """
        if id not in self._told:
            stack, output = Stack.of(self), CfnOutput(self, id, value=value)
            self._told[id] = Fn.get_stack_output(stack.stack_name, output.logical_id, stack.region)
        return self._told[id]


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

    def role_arn(self, grantee: Grantee) -> str:
        """Return the ARN: a role of the peer's stack is read from there, another one needs a name.

        Raises:
            ConstructError: the role's name is only known once a stack is deployed that is deployed later, or the
                role itself is there too late.
        """
        owner = owner_of(grantee.arn)
        home = Stack.of(self._database)
        if owner is None:
            return grantee.arn
        if self._has(owner):
            return self._peer.tell(_output_id(grantee.arn, owner), grantee.arn)
        if grantee.function is not None and self._has(Stack.of(grantee.function)):
            raise self._too_late(grantee, owner)
        if not _has_name(grantee.arn, home):
            raise self._unnamed(grantee, owner)
        return grantee.arn

    def let_wait(self, function: lambda_.Function) -> None:
        """Deploy `function` after the migrations, unless its stack has to be there before them."""
        if not self._has(Stack.of(function)):
            super().let_wait(function)

    def _has(self, stack: Stack) -> bool:
        """Tell whether a stack is the peer's, or nested in it."""
        return Stack.of(self._peer) in surrounding(stack)

    def _too_late(self, grantee: Grantee, owner: Stack) -> ConstructError:
        peer = Stack.of(self._peer).node.path
        return ConstructError(
            f"{grantee.name} runs as a role of the stack {owner.node.path}, which is deployed after {peer}",
            f"{peer} comes first, since the database needs its cluster, and the function needs its role",
            f"make the role in {peer}, or leave role= out",
        )

    def _unnamed(self, grantee: Grantee, owner: Stack) -> ConstructError:
        peer = Stack.of(self._peer).node.path
        return ConstructError(
            f"{grantee.name} runs as a role of the stack {owner.node.path}, which is deployed after the migrations",
            "the migrations let the role in, so its name must be known before it exists",
            f"make the role in {peer} and pass it to what runs as it, such as lambda_.Function(role=…), "
            "or give it role_name=PhysicalName.GENERATE_IF_NEEDED",
        )


def endpoint_in(database: IDistributedDatabase, peer: PeerCluster, stack: Stack) -> RegionalEndpoint:
    """Return the endpoint in the Region of `stack`.

    Raises:
        ConstructError: the database has none there.
    """
    own = {Stack.of(database).region: RegionalEndpoint(database)}
    own[Stack.of(peer).region] = PeerEndpoint(database, peer)
    if stack.region not in own:
        raise ConstructError(
            f"{stack.node.path} is in {_spoken(stack)}, where {database.node.path} has no endpoint",
            f"the database has endpoints in {' and '.join(own)}",
            "make what connects in a stack of one of these Regions, with an explicit env",
        )
    return own[stack.region]


def _spoken(stack: Stack) -> str:
    from aws_cdk import Token

    return "no explicit Region" if Token.is_unresolved(stack.region) else stack.region


def _output_id(arn: str, stack: Stack) -> str:
    """Return an id for the output of a role's ARN.

    It differs where the role would be another one, so that the reader's template does, too: what is read by
    `Fn::GetStackOutput` is read again only when the reader is deployed.
    """
    role = cast("Reference", Tokenization.reverse_string(arn).first_token).target
    names = [stack.resolve(getattr(role, name, None)) for name in ("role_name", "user_name", "path")]
    digest = hashlib.sha256(json.dumps([role.node.addr, *names], sort_keys=True).encode())
    return f"Grantee{digest.hexdigest()[:8]}"


def _has_name(arn: str, home: Stack) -> bool:
    """Say whether `arn` can be written in the stack `home`, which is in another environment."""
    try:
        home.resolve(arn)
    except RuntimeError:  # as jsii calls an error of CDK's: the physical name is not set
        return False
    return True
