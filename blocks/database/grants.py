"""Grants on a database: IAM permission, role mapping, and configuration of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Annotations, Stack, Token
from aws_cdk import aws_iam as iam

from blocks.database.function_variables import set_variables
from blocks.database.mappings import RoleMapping
from blocks.database.roles import role_name
from blocks.shared.errors import ConstructError
from blocks.shared.functions import add_runtime_layer
from blocks.shared.grantees import Grantee, principal_of, resolve_grantee, stack_of
from blocks_runtime.contract import ADMIN_ROLE, Access

if TYPE_CHECKING:
    from blocks.database.base import DatabaseBase, Endpoint
    from blocks.database.roles import Rights


class DatabaseGrants:
    """The grants on one database; `db.grant_connect(function)` calls `db.grants.connect(function)`."""

    def __init__(self, database: DatabaseBase) -> None:
        self._database = database

    @classmethod
    def from_database(cls, database: DatabaseBase) -> DatabaseGrants:
        """Return the grants on `database`."""
        return cls(database)

    def connect(
        self,
        grantee: iam.IGrantable,
        access: Rights = Access.READ_WRITE,
        *,
        wait: bool = True,
        layer: bool = True,
    ) -> iam.Grant:
        """Allow `grantee` to log in to the database with the database role of `access`.

        It may then call `dsql:DbConnect` on this cluster alone, and the migrator maps its IAM role to the database
        role on the next deploy; removing the grant from the stack revokes both. A Lambda function also gets the
        variables that `blocks_runtime` reads, the runtime layer if it is written in Python, and its new code is
        deployed only after the migrations. A function granted twice logs in with the wider access level.

        Args:
            grantee: a function, alias or version, another construct with an IAM role, or an IAM user.
            access: rights on the tables: an access level, or a `DatabaseRole` with privileges of its own.
                Default: reading and writing all of them.
            wait: whether new code of a function is deployed only after the migrations. Default: True.
            layer: whether a Python function gets the runtime layer. Default: True; False for code that is packaged
                with blocks-dsql, or that connects without it.

        Raises:
            ConstructError: the grantee has no IAM role, or one of another stack; a function is granted a
                `DatabaseRole` and something else, or is outside of a VPC and the endpoint private; `access` is
                neither a level nor a role.
            BundlingError: there is no runtime layer for the function's Python version.
        """
        known, role = resolve_grantee(grantee), role_name(self._database.node.id, access)
        self._map_role(known, access, self._endpoint_of(grantee))
        self._configure_function(known, role, self._endpoint_of(grantee), wait=wait, layer=layer)
        return self.actions(grantee, "dsql:DbConnect")

    def connect_admin(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow `grantee` to log in as `admin`, which has all rights.

        It may call `dsql:DbConnectAdmin` on this cluster alone. A function is configured as by `connect`; if it is
        granted `connect`, too, its variables name that role.

        Args:
            grantee: a function, alias or version, another construct with an IAM role, or an IAM user.

        Raises:
            ConstructError: the grantee has no IAM role.
            BundlingError: there is no runtime layer for the function's Python version.
        """
        self._configure_function(resolve_grantee(grantee), ADMIN_ROLE, self._endpoint_of(grantee))
        return self.actions(grantee, "dsql:DbConnectAdmin")

    def actions(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow `grantee` the IAM `actions` on this cluster alone."""
        _warn_of_other_account(self._database, grantee)
        arn = self._endpoint_of(grantee).cluster_arn
        return iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=[arn])

    def _endpoint_of(self, grantee: iam.IGrantable) -> Endpoint:
        return self._database.endpoint_for(stack_of(grantee))

    def _map_role(self, known: Grantee, access: Rights, endpoint: Endpoint) -> None:
        database = self._database
        if database.role_mappings is None:
            role = role_name(database.node.id, access)
            Annotations.of(database).add_warning_v2(
                "@blocks/dsql:roleMappingByHand",
                f"{database.node.path} is imported, so no migrator maps IAM roles to {role}: "
                f"as admin, run AWS IAM GRANT {role} TO the ARN of each granted IAM role",
            )
            return
        database.role_mappings.add(RoleMapping(endpoint.role_arn(known), access))

    def _configure_function(
        self, known: Grantee, role: str, endpoint: Endpoint, *, wait: bool = True, layer: bool = True
    ) -> None:
        database = self._database
        if known.function is None:
            if known.is_foreign_function:
                _warn_of_foreign_function(database, known)
            return
        if database.private_endpoint and not known.function.is_bound_to_vpc:
            raise _not_in_vpc(database, known)
        database.reachability.require(known.function)
        set_variables(known.function, database, endpoint.variables(role))
        if layer:
            add_runtime_layer(known.function)
        if wait:
            endpoint.depend_on_migrations(known.function)


def _warn_of_foreign_function(database: DatabaseBase, known: Grantee) -> None:
    Annotations.of(database).add_warning_v2(
        "@blocks/dsql:variablesByHand",
        f"{known.name} is not a Function of this app, so its variables and layer cannot be set here: "
        f"set the variables that environment() of {database.node.path} returns",
    )


def _not_in_vpc(database: DatabaseBase, known: Grantee) -> ConstructError:
    return ConstructError(
        f"{known.name} is outside of a VPC, but {database.node.path} has private_endpoint=True",
        "the private host name of a cluster resolves in a VPC only",
        "give the function the VPC with the interface endpoint, such as lambda_.Function(vpc=…)",
    )


def _warn_of_other_account(database: DatabaseBase, grantee: iam.IGrantable) -> None:
    """Warn about a grantee of another account: its permission cannot be added here, and would not be enough.

    A cluster accepts identities of its own account. Source: AWS user guide, "Resource-based policies for Aurora DSQL".
    """
    home, theirs = Stack.of(database).account, getattr(principal_of(grantee), "principal_account", None)
    if theirs is None or home == theirs or Token.is_unresolved(home) or Token.is_unresolved(theirs):
        return
    Annotations.of(database).add_warning_v2(
        "@blocks/dsql:otherAccount",
        f"{database.node.path} is in account {home} and is granted to a role of account {theirs}, whose permissions "
        "cannot be changed here, and DSQL accepts identities of its own account only: "
        f"grant to a role of account {home} that the other role may assume",
    )
