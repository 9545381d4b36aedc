"""A database as one Region sees it: which cluster, which endpoint, and how its grantees reach the migrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks.shared import functions
from blocks.shared.errors import ConstructError
from blocks.shared.grantees import Grantee, owner_of, surrounding

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from blocks.database.interface import IDistributedDatabase
    from blocks_runtime.contract import Variables


class RegionalEndpoint:
    """The endpoint in the Region of the database's own stack."""

    def __init__(self, database: IDistributedDatabase) -> None:
        self._database = database

    @property
    def cluster_arn(self) -> str:
        """The ARN that grantees of this Region may act on."""
        return self._database.cluster_arn

    def variables(self, role: str) -> Variables:
        """Return what code of this Region needs to log in as the database role `role`."""
        return self._database.variables(role)

    def role_arn(self, grantee: Grantee) -> str:
        """Return the ARN of the grantee's role as the migrator's template can say it.

        A stack around a nested one makes the role before it, and what runs as the role after it.

        Raises:
            ConstructError: the role is made in a stack that is deployed later.
        """
        database = self._database
        owner = owner_of(grantee.arn)
        if owner is not None and owner not in surrounding(Stack.of(database)):
            raise role_of_later_stack(grantee, owner, Stack.of(database))
        return grantee.arn

    def let_wait(self, function: lambda_.Function) -> None:
        """Deploy new code of `function` only after the migrations."""
        if self._database.migrated is not None:
            functions.run_after(function, self._database.migrated)


def role_of_later_stack(grantee: Grantee, owner: Stack, home: Stack) -> ConstructError:
    """Return the refusal of a role that the migrations would have to wait for, and cannot."""
    place = home.node.path
    return ConstructError(
        f"{grantee.name} runs as a role of the stack {owner.node.path}, but the database is in {place}",
        f"the migrations in {place} let the role in, so {place} would need {owner.node.path}, "
        f"which itself needs the database of {place}",
        f"make the role in {place} and pass it to what runs as it, such as lambda_.Function(role=…)",
    )
