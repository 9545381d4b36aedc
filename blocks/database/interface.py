"""Interface of every database, new or imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks.database.base import DatabaseBase
from blocks.database.endpoints import RegionalEndpoint
from blocks.database.grants import DatabaseGrants
from blocks.database.roles import role_name
from blocks.shared.arguments import CONSTRUCT, required
from blocks.shared.errors import ConstructError
from blocks.shared.functions import main_resources
from blocks_runtime.contract import Access, Variables

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from constructs import Construct, IConstruct

    from blocks.database.roles import Rights


class IDistributedDatabase(DatabaseBase):
    """A DSQL cluster that access can be granted to; its id is its name in application code."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self._grants = DatabaseGrants(self)

    @property
    def grants(self) -> DatabaseGrants:
        """The grants on this database."""
        return self._grants

    def grant_connect(
        self,
        grantee: iam.IGrantable,
        access: Rights = Access.READ_WRITE,
        *,
        wait: bool = True,
        layer: bool = True,
    ) -> iam.Grant:
        """Allow `grantee` to log in with the database role of `access`; see `DatabaseGrants.connect`.

        Args:
            grantee: a function, alias or version, another construct with an IAM role, or an IAM user.
            access: rights on the tables: an access level, or a `DatabaseRole` with privileges of its own.
                Default: reading and writing all of them.
            wait: whether new code of a function is deployed only after migrations and grant. Default: True.
            layer: whether a Python function gets the runtime layer. Default: True.
        """
        return self.grants.connect(grantee, access, wait=wait, layer=layer)

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow `grantee` to log in and read all tables: `grant_connect` with `Access.READ_ONLY`."""
        return self.grant_connect(grantee, Access.READ_ONLY)

    def grant_read_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow `grantee` to log in, and to read and write all tables: `grant_connect` without other arguments."""
        return self.grant_connect(grantee, Access.READ_WRITE)

    def grant_connect_admin(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow `grantee` to log in as `admin`, with all rights; see `DatabaseGrants.connect_admin`."""
        return self.grants.connect_admin(grantee)

    def grant(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow `grantee` further IAM actions, such as `dsql:GetCluster`, on this cluster alone."""
        return self.grants.actions(grantee, *actions)

    def run_before(self, *constructs: IConstruct) -> None:
        """Deploy `constructs`, such as an ECS service or a CodeBuild project, after the migrations and their grants.

        Functions with a grant wait without it. Of a construct only the resource that runs code waits, not its role,
        which the grant needs. A grant is that of the construct, of a role in it, or of its task role; it may be made
        later.

        Args:
            constructs: constructs of any kind; of one without a main resource all resources wait but those of IAM.

        Raises:
            ConstructError: the database has no migrator in this app, or needs the stack of a construct; or one of
                them is no construct.
        """
        if self.migrated is None:
            raise ConstructError(
                f"{self.node.path} has no migrations to run before anything",
                "it is imported without migrations, and its owner migrates it",
                "pass migrations, or leave run_before out",
            )
        for construct in constructs:
            self._check_waiting(construct)
        for construct in constructs:
            for resource in main_resources(construct):
                resource.add_resource_dependency(self.migrated)
            self.grants.run_before(construct)

    def _check_waiting(self, construct: IConstruct) -> None:
        required({"construct": CONSTRUCT}, {"construct": construct})
        home, stack = Stack.of(self), Stack.of(construct)
        if RegionalEndpoint(self).is_deployed_after(stack):
            raise ConstructError(
                f"{construct.node.path} is in the stack {stack.node.path}, which is deployed before {home.node.path} "
                "with the database",
                "a construct that waits for the migrations is deployed after them",
                "create it in the stack of the database, or in one that the database does not need",
            )

    def environment(self, access: Rights = Access.READ_WRITE) -> dict[str, str]:
        """Return the environment variables with which code opens this database.

        `grant_connect` sets them on functions; set them yourself on a container or an instance.

        Args:
            access: the access that `grant_connect` was called with. Default: reading and writing.
        """
        return self.variables(role_name(self.node.id, access)).environment(self.node.id)

    def endpoint_for(self, stack: Stack | None) -> RegionalEndpoint:
        """Return the endpoint for constructs of `stack`: a database in one Region has one endpoint."""
        del stack
        return RegionalEndpoint(self)

    def variables(self, role: str) -> Variables:
        """Return endpoint and Region of this database, for the database role `role`."""
        return Variables(endpoint=self.connection_endpoint, region=Stack.of(self).region, role=role)
