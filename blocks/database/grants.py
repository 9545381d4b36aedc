"""Grants on a database: IAM permission, role mapping, and configuration of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from aws_cdk import Annotations, Stack
from aws_cdk import aws_iam as iam

from blocks.database.database_grant import make_admin_grant, make_grant
from blocks.database.function_variables import set_variables
from blocks.database.roles import role_name
from blocks.shared.errors import ConstructError
from blocks.shared.functions import add_runtime_layer
from blocks.shared.grantees import principal_of, principals_in, resolve_grantee, stack_of
from blocks.shared.permissions import allow, check_actions, warn_of_other_account
from blocks.shared.role_policies import principal_for_policies
from blocks_runtime.contract import ADMIN_ROLE, Access

if TYPE_CHECKING:
    from constructs import IConstruct

    from blocks.database.base import DatabaseBase, Endpoint
    from blocks.database.database_grant import DatabaseGrant, PolicyGrant
    from blocks.database.roles import Rights
    from blocks.shared.grantees import Grantee


class GrantableDatabase(Protocol):
    """A database of any kind."""

    @property
    def grants(self) -> DatabaseGrants:
        """The grants on it."""


class DatabaseGrants:
    """The grants on one database; `db.grant_connect(function)` calls `db.grants.connect(function)`."""

    def __init__(self, database: DatabaseBase) -> None:
        self._database = database
        self._made: dict[str, dict[str, DatabaseGrant]] = {}
        self._admins: dict[str, dict[str, PolicyGrant]] = {}
        self._waiting: dict[str, list[IConstruct]] = {}

    @staticmethod
    def from_database(database: GrantableDatabase) -> DatabaseGrants:
        """Return the grants on `database`."""
        return database.grants

    def connect(
        self,
        grantee: iam.IGrantable,
        access: Rights = Access.READ_WRITE,
        *,
        wait: bool = True,
        layer: bool = True,
    ) -> iam.Grant:
        """Allow `grantee` to log in to the database with the database role of `access`.

        It may then call `dsql:DbConnect` on this cluster alone, and on deploy the migrator maps its IAM role to the
        database role. Both are resources of the grantee's stack, created before its functions change; those of a
        removed or changed grant are deleted after all updates of that deploy. A Lambda function also gets the
        variables that `blocks_runtime` reads, and the runtime layer if it is written in Python. Its new code is
        deployed only after the grant, which is deployed after the migrations. A function granted twice logs in with
        the wider access level.

        Args:
            grantee: a function, alias or version, another construct with an IAM role, or an IAM user, of any stack in
                the account and Region of the database.
            access: rights on the tables: an access level, or a `DatabaseRole` with privileges of its own.
                Default: reading and writing all of them.
            wait: whether new code of a function is deployed only after migrations and grant. Default: True.
            layer: whether a Python function gets the runtime layer. Default: True; False for code that is packaged
                with blocks-dsql, or that connects without it.

        Raises:
            ConstructError: the grantee has no IAM role, or is in another account or Region; a function is granted a
                `DatabaseRole` and something else, or is outside of a VPC and the endpoint private; `access` is
                neither a level nor a role.
            BundlingError: there is no runtime layer for the function's Python version.
        """
        known, role = resolve_grantee(grantee), role_name(self._database.node.id, access)
        endpoint = self._endpoint_of(grantee)
        _warn_of_other_account(self._database, grantee)
        grant = self._grant(known, access, endpoint)
        permission = grant.allow("dsql:DbConnect", endpoint.cluster_arn)
        self._configure_function(known, role, endpoint, layer=layer)
        if wait and known.function is not None:
            grant.run_before(known.function)
        grant.run_before(*self._waiting.get(known.principal.node.path, ()))
        return permission

    def of(self, grantee: iam.IGrantable) -> DatabaseGrant:
        """Return the grant of `grantee`, to wait for: `service.node.add_dependency(db.grants.of(task.task_role))`.

        A construct with a role of its own, such as a CodeBuild project, waits by `db.run_before(project)`, since the
        grant itself needs the role.

        Args:
            grantee: the grantee that `connect` was called with, or a construct that runs as the same role. An ECS
                service counts as its task role.

        Raises:
            ConstructError: `connect` was not called for it.
        """
        for principal in principals_in([grantee]):
            made = self._made.get(principal.node.path)
            if made:
                stack = stack_of(grantee)
                return made.get("" if stack is None else stack.node.path) or next(iter(made.values()))
        name = getattr(getattr(grantee, "node", None), "path", type(grantee).__name__)
        raise ConstructError(
            f"{name} has no grant on {self._database.node.path}",
            "the grant is created by grant_connect, for the role that the grantee runs as",
            "call grant_connect first, with this construct or its role",
        )

    def run_before(self, construct: IConstruct) -> None:
        """Deploy `construct` only after the grants of the roles in it, also those that are made later."""
        for principal in principals_in(construct.node.find_all()):
            self._waiting.setdefault(principal.node.path, []).append(construct)
            path = principal.node.path
            for grant in (*self._made.get(path, {}).values(), *self._admins.get(path, {}).values()):
                grant.run_before(construct)

    def connect_admin(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow `grantee` to log in as `admin`, which has all rights.

        It may call `dsql:DbConnectAdmin` on this cluster alone, by a policy with the life of one of `connect`: it is
        created before its functions change, and deleted after all updates of a deploy. A function is configured as by
        `connect`; if it is granted `connect`, too, its variables name that role.

        Args:
            grantee: a function, alias or version, another construct with an IAM role, or an IAM user.

        Raises:
            ConstructError: the grantee has no IAM role, is in another stage, or is a function in a stack that the
                database needs.
            BundlingError: there is no runtime layer for the function's Python version.
        """
        known, endpoint = resolve_grantee(grantee), self._endpoint_of(grantee)
        place = endpoint.policy_place_of(known)
        _warn_of_other_account(self._database, grantee)
        made = self._admins.setdefault(known.principal.node.path, {})
        stack = place.stack.node.path
        if stack not in made:
            made[stack] = make_admin_grant(self._database, known, place)
        permission = made[stack].allow("dsql:DbConnectAdmin", endpoint.cluster_arn)
        self._configure_function(known, ADMIN_ROLE, endpoint)
        if known.function is not None:
            endpoint.depend_on_migrations(known.function)
            made[stack].run_before(known.function)
        made[stack].run_before(*self._waiting.get(known.principal.node.path, ()))
        return permission

    def actions(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow `grantee` the IAM `actions` on this cluster alone.

        For a role of a stack that the database needs, such as that of its VPC, the policy is in the database's stack.

        Raises:
            ConstructError: there are no actions, one is not text or of another service, or the grantee has no
                IAM principal.
        """
        check_actions(self._database.node.path, actions, "dsql", 'grant(fn, "dsql:GetCluster")')
        _warn_of_other_account(self._database, grantee)
        endpoint, role = self._endpoint_of(grantee), principal_of(grantee)
        if hasattr(role, "node") and endpoint.is_deployed_after(Stack.of(cast("IConstruct", role))):
            grantee = principal_for_policies(self._database, cast("iam.IRole | iam.IUser", role))
        return allow(self._database, grantee, actions, endpoint.cluster_arn, block="dsql")

    def _endpoint_of(self, grantee: iam.IGrantable) -> Endpoint:
        return self._database.endpoint_for(stack_of(grantee))

    def _grant(self, known: Grantee, access: Rights, endpoint: Endpoint) -> DatabaseGrant:
        """Return the grant of a grantee with `access` added; one for each role and stack."""
        database = self._database
        if database.role_mapper is None:
            self._warn_of_mapping_by_hand(role_name(database.node.id, access))
        else:
            database.role_mapper.check(access)
        place = endpoint.place_of(known)
        made = self._made.setdefault(known.principal.node.path, {})
        stack = place.stack.node.path
        if stack not in made:
            made[stack] = make_grant(database, known, place, database.role_mapper)
        made[stack].map(access)
        return made[stack]

    def _warn_of_mapping_by_hand(self, role: str) -> None:
        Annotations.of(self._database).add_warning_v2(
            "@blocks/dsql:roleMappingByHand",
            f"{self._database.node.path} is imported, so no migrator maps IAM roles to {role}: "
            f"as admin, run AWS IAM GRANT {role} TO the ARN of each granted IAM role",
        )

    def _configure_function(
        self, known: Grantee, role: str, endpoint: Endpoint, *, layer: bool = True
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
    """Warn about a grantee of another account.

    A cluster accepts identities of its own account. Source: AWS user guide, "Resource-based policies for Aurora DSQL".
    """
    fault = "DSQL accepts identities of its own account only"
    warn_of_other_account(database, grantee, block="dsql", fault=fault, remedy="")
