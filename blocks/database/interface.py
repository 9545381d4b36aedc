"""What every database offers, one made by this app and one that was there before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks.database.base import DatabaseBase
from blocks.database.endpoints import RegionalEndpoint
from blocks.database.grants import DatabaseGrants
from blocks.database.roles import role_name
from blocks_runtime.contract import Access, Variables

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from constructs import Construct

    from blocks.database.roles import Rights


class IDistributedDatabase(DatabaseBase):
    """A DSQL cluster that functions and roles can be let into; its id is the name that code opens it by."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self._grants = DatabaseGrants.from_database(self)

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
