"""Letting functions and roles into a database, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Annotations, Stack, Token
from aws_cdk import aws_iam as iam

from blocks.database.mappings import RoleMapping
from blocks.database.roles import role_name
from blocks.shared import functions
from blocks.shared.errors import ConstructError
from blocks.shared.grantees import Grantee, identify, principal_of, stack_of
from blocks_runtime.contract import ADMIN_ROLE, Access

if TYPE_CHECKING:
    from blocks.database.endpoints import RegionalEndpoint
    from blocks.database.interface import IDistributedDatabase
    from blocks.database.roles import Rights


class DatabaseGrants:
    """The grants on one database; `db.grant_connect(function)` calls `db.grants.connect(function)`."""

    def __init__(self, database: IDistributedDatabase) -> None:
        self._database = database

    @classmethod
    def from_database(cls, database: IDistributedDatabase) -> DatabaseGrants:
        """Return the grants on `database`."""
        return cls(database)

    def connect(self, grantee: iam.IGrantable, *, access: Rights = Access.READ_WRITE) -> iam.Grant:
        """Let `grantee` log in to the database, as the database role of `access`.

        It may then call `dsql:DbConnect` on this cluster alone, and the migrator maps its IAM role to the
        database role on the next deploy; taking the grant out of the stack takes both away. A Lambda function
        also gets the variables that `blocks_runtime` reads, the runtime layer if it is written in Python, and
        new code of it is deployed only after the migrations. A function granted twice logs in with the wider
        access level.

        Args:
            grantee: a function, alias or version, or what else has an IAM role; an IAM user.
            access: the rights on the tables: an access level, or a `DatabaseRole` with privileges of its own.
                Default: reading and writing all of them.

        Raises:
            ConstructError: the grantee has no IAM role, or one of another stack; a function is granted a
                `DatabaseRole` and something else, or is in no VPC and the endpoint private; `access` is none.
            BundlingError: there is no runtime layer for the function's Python version.
        """
        known, role = identify(grantee), role_name(self._database.node.id, access)
        self._map(known, access, self._endpoint_of(grantee))
        self._equip(known, role, self._endpoint_of(grantee))
        return self.actions(grantee, "dsql:DbConnect")

    def connect_admin(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` log in as `admin`, who may do everything.

        It may call `dsql:DbConnectAdmin` on this cluster alone. A function also gets what `connect` gives it;
        granted `connect` too, its variables name that role.

        Args:
            grantee: a function, alias or version, or what else has an IAM role; an IAM user.

        Raises:
            ConstructError: the grantee has no IAM role.
            BundlingError: there is no runtime layer for the function's Python version.
        """
        self._equip(identify(grantee), ADMIN_ROLE, self._endpoint_of(grantee))
        return self.actions(grantee, "dsql:DbConnectAdmin")

    def actions(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow `grantee` the IAM `actions` on this cluster alone."""
        _warn_of_other_account(self._database, grantee)
        arn = self._endpoint_of(grantee).cluster_arn
        return iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=[arn])

    def _endpoint_of(self, grantee: iam.IGrantable) -> RegionalEndpoint:
        return self._database.endpoint_for(stack_of(grantee))

    def _map(self, known: Grantee, access: Rights, endpoint: RegionalEndpoint) -> None:
        database = self._database
        if database.role_mappings is None:
            role = role_name(database.node.id, access)
            Annotations.of(database).add_warning_v2(
                "@blocks/dsql:roleMappingByHand",
                f"{database.node.path} is imported, so no migrator maps IAM roles to {role}: "
                f"as admin, run AWS IAM GRANT {role} TO the ARN of each role that is let in",
            )
            return
        database.role_mappings.add(RoleMapping(endpoint.role_arn(known), access))

    def _equip(self, known: Grantee, role: str, endpoint: RegionalEndpoint) -> None:
        database = self._database
        if known.function is None:
            if known.is_foreign_function:
                _warn_of_foreign_function(database, known)
            return
        if database.private_endpoint and not known.function.is_bound_to_vpc:
            raise _outside(database, known)
        functions.set_variables(known.function, database, endpoint.variables(role))
        functions.add_runtime(known.function)
        endpoint.let_wait(known.function)


def _warn_of_foreign_function(database: IDistributedDatabase, known: Grantee) -> None:
    Annotations.of(database).add_warning_v2(
        "@blocks/dsql:variablesByHand",
        f"{known.name} is no Function of this app, so its variables and layer cannot be set from here: "
        f"give it what environment() of {database.node.path} returns",
    )


def _outside(database: IDistributedDatabase, known: Grantee) -> ConstructError:
    return ConstructError(
        f"{known.name} runs in no VPC, but {database.node.path} has private_endpoint=True",
        "the private host name of a cluster answers in a VPC alone",
        "give the function the VPC with the interface endpoint, such as lambda_.Function(vpc=…)",
    )


def _warn_of_other_account(database: IDistributedDatabase, grantee: iam.IGrantable) -> None:
    """Say that a permission cannot be given there, and would not be enough.

    A cluster can be reached within its account. Source: AWS user guide, "Resource-based policies for Aurora DSQL".
    """
    home, theirs = Stack.of(database).account, getattr(principal_of(grantee), "principal_account", None)
    if theirs is None or home == theirs or Token.is_unresolved(home) or Token.is_unresolved(theirs):
        return
    Annotations.of(database).add_warning_v2(
        "@blocks/dsql:otherAccount",
        f"{database.node.path} is in account {home} and lets in a role of account {theirs}, to which no permission can "
        "be added from here, and DSQL is known to let in its own account alone: "
        f"grant to a role of account {home} that the other one may assume",
    )
