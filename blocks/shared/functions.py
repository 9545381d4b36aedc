"""What a Lambda function needs beside its permission: variables, the runtime layer, a place in the order."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from blocks.shared.errors import ConstructError
from blocks.shared.layers import runtime_layer
from blocks_runtime.contract import ADMIN_ROLE, Access, database_role, variable_prefix

if TYPE_CHECKING:
    from aws_cdk import CfnResource

    from blocks_runtime.contract import Variables

_LAYER_MARK = "BlocksRuntime"


class FunctionVariables(Construct):
    """Remembers, below a function, which database variables of one prefix mean, and as whom it logs in."""

    def __init__(self, function: lambda_.Function, prefix: str, database: Construct) -> None:
        super().__init__(function, prefix)
        self.database = database
        self.role: str | None = None

    @classmethod
    def of(cls, function: lambda_.Function, database: Construct) -> FunctionVariables:
        """Return what `function` remembers of `database`.

        Raises:
            ConstructError: the variables of that name are taken by another database.
        """
        prefix = variable_prefix(database.node.id)
        known = cast("FunctionVariables | None", function.node.try_find_child(prefix))
        if known is None:
            return cls(function, prefix, database)
        if known.database is not database:
            raise ConstructError(
                f"{function.node.path} is let into two databases whose variables are both called {prefix}_…",
                f"{known.database.node.path} and {database.node.path} have ids that become the same prefix",
                "give one of the databases another id",
            )
        return known


def set_variables(function: lambda_.Function, database: Construct, variables: Variables) -> None:
    """Write `variables` to the environment of `function`, unless it has those of a role to be preferred.

    Raises:
        ConstructError: it has those of another role, and one of the two is a custom role.
    """
    known = FunctionVariables.of(function, database)
    name = database.node.id
    if known.role is None or _is_preferred(name, variables.role, known.role, function):
        known.role = variables.role
        for variable, value in variables.environment(name).items():
            function.add_environment(variable, value)


def add_runtime(function: lambda_.Function) -> None:
    """Add the runtime layer to a Python function; other languages and container images bring their own.

    Raises:
        ConstructError: the function has as many layers as Lambda allows.
        BundlingError: there is no runtime layer for its Python version.
    """
    if function.runtime.family is not lambda_.RuntimeFamily.PYTHON:
        return
    if function.node.try_find_child(_LAYER_MARK) is None:
        layer = runtime_layer(function, function.runtime, function.architecture)
        try:
            function.add_layers(layer)
        except RuntimeError as error:  # as jsii calls an error of CDK's
            raise _no_room(function, error) from error
        Construct(function, _LAYER_MARK)


def run_after(function: lambda_.Function, migrated: CfnResource) -> None:
    """Deploy new code of `function` only after `migrated`.

    The function's resource alone waits: the migrations need the function's role, which would close a circle.
    """
    cast("CfnResource", function.node.default_child).add_resource_dependency(migrated)


def _is_preferred(name: str, role: str, known: str, function: lambda_.Function) -> bool:
    """Compare two roles one function may have: its everyday role before `admin`, writing before reading."""
    order = [ADMIN_ROLE, database_role(name, Access.READ_ONLY), database_role(name, Access.READ_WRITE)]
    if role == known or known == ADMIN_ROLE:
        return role != known
    if role == ADMIN_ROLE:
        return False
    if role not in order or known not in order:
        raise ConstructError(
            f"{function.node.path} is let into {name!r} as {known} and as {role}",
            "its variables name one role to log in as, and neither of these two includes the other",
            "give it one DatabaseRole with all the privileges it needs",
        )
    return order.index(role) > order.index(known)


def _no_room(function: lambda_.Function, error: Exception) -> ConstructError:
    return ConstructError(
        f"{function.node.path} has no room for the layer with the runtime",
        str(error),
        "join two of its layers; or package blocks-dsql with its code, grant to its role instead, and give it "
        "what environment() of the database returns",
    )
