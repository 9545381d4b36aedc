"""Endpoint of a database in one Region: cluster, host name, and the order of its grantees and the migrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks.shared.errors import ConstructError
from blocks.shared.functions import run_after
from blocks.shared.grantees import Grantee, enclosing_stacks, owner_of

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from blocks.database.base import DatabaseBase
    from blocks_runtime.contract import Variables


class RegionalEndpoint:
    """The endpoint in the Region of the database's own stack."""

    def __init__(self, database: DatabaseBase) -> None:
        self._database = database

    @property
    def cluster_arn(self) -> str:
        """The ARN that grantees of this Region may act on."""
        return self._database.cluster_arn

    def variables(self, role: str) -> Variables:
        """Return the variables of code in this Region that logs in with the database role `role`."""
        return self._database.variables(role)

    def role_arn(self, grantee: Grantee) -> str:
        """Return the ARN of the grantee's role, as the migrator's template can refer to it.

        The parent of a nested stack creates the role before it, and the grantee after it.

        Raises:
            ConstructError: the role is created in a stack that is deployed later.
        """
        database = self._database
        owner = owner_of(grantee.arn)
        if owner is not None and owner not in enclosing_stacks(Stack.of(database)):
            raise role_of_later_stack(grantee, owner, Stack.of(database))
        return grantee.arn

    def depend_on_migrations(self, function: lambda_.Function) -> None:
        """Deploy new code of `function` only after the migrations."""
        if self._database.migrated is not None:
            run_after(function, self._database.migrated)


def role_of_later_stack(grantee: Grantee, owner: Stack, home: Stack) -> ConstructError:
    """Return the error for a role that the migrations depend on and that is deployed after them."""
    place = home.node.path
    return ConstructError(
        f"{grantee.name} runs as a role of the stack {owner.node.path}, but the database is in {place}",
        f"the migrations in {place} map the role, so {place} would depend on {owner.node.path}, "
        f"which itself depends on the database of {place}",
        f"create the role in {place} and pass it to the grantee, such as lambda_.Function(role=…)",
    )
