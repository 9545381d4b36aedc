"""Environment variables of a granted function."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from constructs import Construct

from blocks.shared.errors import ConstructError
from blocks_runtime.contract import ADMIN_ROLE, Access, database_role, variable_prefix

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from blocks_runtime.contract import Variables


class FunctionVariables(Construct):
    """Record below a function: the database and the role that its variables of one prefix name."""

    def __init__(self, function: lambda_.Function, prefix: str, database: Construct) -> None:
        super().__init__(function, prefix)
        self.database = database
        self.role: str | None = None

    @classmethod
    def of(cls, function: lambda_.Function, database: Construct) -> FunctionVariables:
        """Return the record of `function` for `database`, which may be a table.

        Raises:
            ConstructError: another database or table has the same prefix.
        """
        prefix = variable_prefix(database.node.id)
        known = cast("FunctionVariables | None", function.node.try_find_child(prefix))
        if known is None:
            return cls(function, prefix, database)
        if known.database is not database:
            raise ConstructError(
                f"{function.node.path} is granted two blocks whose variables are both called {prefix}_…",
                f"{known.database.node.path} and {database.node.path} have ids that become the same prefix",
                "give one of the two another id",
            )
        return known


def set_variables(function: lambda_.Function, database: Construct, variables: Variables) -> None:
    """Set `variables` on `function`, unless it has those of a role with wider access.

    Raises:
        ConstructError: it has those of another role, and one of the two is a custom role.
    """
    known = FunctionVariables.of(function, database)
    name = database.node.id
    if known.role is None or _is_preferred(name, variables.role, known.role, function):
        known.role = variables.role
        for variable, value in variables.environment(name).items():
            function.add_environment(variable, value)


def _is_preferred(name: str, role: str, known: str, function: lambda_.Function) -> bool:
    """Return whether `role` is preferred to `known`: any other role to `admin`, writing to reading."""
    order = [ADMIN_ROLE, database_role(name, Access.READ_ONLY), database_role(name, Access.READ_WRITE)]
    if role == known or known == ADMIN_ROLE:
        return role != known
    if role == ADMIN_ROLE:
        return False
    if role not in order or known not in order:
        raise ConstructError(
            f"{function.node.path} is granted {name!r} as {known} and as {role}",
            "its variables name one role to log in as, and neither of these two includes the other",
            "give it one DatabaseRole with all the privileges it needs",
        )
    return order.index(role) > order.index(known)
