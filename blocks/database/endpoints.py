"""Endpoint of a database in one Region: cluster, host name, and the place of the grants of its grantees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack, Stage

from blocks.database.places import Place, PolicyPlace
from blocks.shared.errors import ConstructError
from blocks.shared.functions import main_resources
from blocks.shared.grantees import can_be_named
from blocks.shared.stack_order import is_deployed_before

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
            ConstructError: the grantee is in another environment or stage, or a function in a stack that the database
                needs.
        """
        home, stack = Stack.of(self._database), grantee.stack
        is_other = stack.environment != home.environment or Stage.of(stack) is not Stage.of(home)
        if is_other and not can_be_named(grantee.arn, home):
            raise self._in_other_environment(grantee)
        here = self.policy_place_of(grantee).stack
        return Place(home=home, stack=here, mapped_in=here, role_arn=grantee.arn)

    def policy_place_of(self, grantee: Grantee) -> PolicyPlace:
        """Return the place of a policy without a mapping; unlike a grant, it may be in another environment.

        Raises:
            ConstructError: the grantee is in another stage, or a function in a stack that the database needs.
        """
        home, stack = Stack.of(self._database), grantee.stack
        is_in_other_stage = Stage.of(stack) is not Stage.of(home)
        if is_in_other_stage and not can_be_named(grantee.arn, home):
            raise self._in_other_environment(grantee)
        self.check_order(grantee)
        is_other = is_in_other_stage or stack.environment != home.environment
        is_here = self.is_deployed_after(stack) or (is_other and can_be_named(grantee.arn, home))
        return PolicyPlace(home=home, stack=home if is_here else stack)

    def is_deployed_after(self, stack: Stack) -> bool:
        """Return whether the database needs `stack`, as far as is known yet: that stack cannot refer to the cluster."""
        return is_deployed_before(stack, Stack.of(self._database), self._database.needed_stacks)

    def check_order(self, grantee: Grantee) -> None:
        """Check that a function is not in a stack that the database needs.

        Raises:
            ConstructError: it is, so it could not wait for the migrations.
        """
        if grantee.function is not None and self.is_deployed_after(grantee.stack):
            raise self._needed_by_database(grantee)

    def depend_on_migrations(self, function: lambda_.Function) -> None:
        """Deploy new code of `function` only after the migrations."""
        for resource in main_resources(function):
            if self._database.migrated is not None:
                resource.add_resource_dependency(self._database.migrated)

    def _needed_by_database(self, grantee: Grantee) -> ConstructError:
        home = Stack.of(self._database)
        return ConstructError(
            f"{grantee.name} is in the stack {grantee.stack.node.path}, which is deployed before {home.node.path} with "
            "the database",
            "a function waits for its grant and the migrations, so its stack is deployed after the database's",
            "create the function in the stack of the database, or in one that the database does not need",
        )

    def _in_other_environment(self, grantee: Grantee) -> ConstructError:
        home = Stack.of(self._database)
        if Stage.of(grantee.stack) is not Stage.of(home):
            return ConstructError(
                f"{grantee.name} and {home.node.path} with the database are in different stages",
                "the CDK allows no dependency between stages, and a grant is deployed after the migrations",
                "create both stacks in one Stage",
            )
        return ConstructError(
            f"{grantee.name} is in the stack {grantee.stack.node.path} ({grantee.stack.environment}), but the "
            f"database is in {home.node.path} ({home.environment})",
            "CloudFormation invokes the migrator from stacks of its own account and Region only",
            "give both stacks the same env; a database in two Regions takes multi_region=",
        )
