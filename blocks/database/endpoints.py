"""Endpoint of a database in one Region: cluster, host name, and the place of the grants of its grantees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack

from blocks.database.places import Place
from blocks.shared.errors import ConstructError
from blocks.shared.functions import main_resources
from blocks.shared.grantees import can_be_named, outermost

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from blocks.database.base import DatabaseBase
    from blocks.shared.grantees import Grantee
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

    def place_of(self, grantee: Grantee) -> Place:
        """Return the place of a grant: the stack of the grantee, which is deployed after the database's.

        A grantee in a stack that the database needs, and an imported role in another environment, are granted in the
        stack of the database.

        Raises:
            ConstructError: the grantee is in another environment.
        """
        home, stack = Stack.of(self._database), grantee.stack
        is_other = stack.environment != home.environment
        if is_other and not can_be_named(grantee.arn, home):
            raise self._in_other_environment(grantee)
        needed = {*outermost(home).dependencies, *self._database.needed_stacks} - {outermost(home)}
        is_needed = grantee.function is None and outermost(stack) in needed
        here = home if is_other or is_needed else stack
        return Place(stack=here, mapped_in=here, role_arn=grantee.arn, home=home)

    def depend_on_migrations(self, function: lambda_.Function) -> None:
        """Deploy new code of `function` only after the migrations."""
        for resource in main_resources(function):
            if self._database.migrated is not None:
                resource.add_resource_dependency(self._database.migrated)

    def _in_other_environment(self, grantee: Grantee) -> ConstructError:
        home = Stack.of(self._database)
        return ConstructError(
            f"{grantee.name} is in the stack {grantee.stack.node.path} ({grantee.stack.environment}), but the "
            f"database is in {home.node.path} ({home.environment})",
            "CloudFormation invokes the migrator from stacks of its own account and Region only",
            "give both stacks the same env; a database in two Regions takes multi_region=",
        )
