"""Grants on a table: IAM permissions with exact actions, and configuration of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Annotations, Stage
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from blocks.database.function_variables import FunctionVariables
from blocks.shared.arguments import SWITCH, check
from blocks.shared.errors import ConstructError
from blocks.shared.functions import add_runtime_layer
from blocks.shared.grantees import function_behind, name_of, owner_of, stack_of
from blocks.shared.permissions import allow, check_actions, warn_of_other_account
from blocks_runtime.contract import Access, TableVariables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks.atomic_table.base import TableBase

READ = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
"""Actions of the runtime's reads; GetItem includes TransactGetItems."""

WRITE = (
    *("dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem"),
    *("dynamodb:PutItem", "dynamodb:UpdateItem"),
)
"""Actions of its writes; TransactWriteItems needs those of its parts, ConditionCheckItem among them."""

KEY_READ = ("kms:Decrypt", "kms:DescribeKey")
KEY_WRITE = (*KEY_READ, "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
"""Actions on a customer managed key (AWS developer guide, "DynamoDB encryption at rest", use of the key)."""


class TableGrants:
    """The grants on one table; `table.grant_read_write(function)` calls `table.grants.read_write(function)`."""

    def __init__(self, table: TableBase) -> None:
        self._table = table

    @classmethod
    def from_table(cls, table: TableBase) -> TableGrants:
        """Return the grants on `table`."""
        return cls(table)

    def read(self, grantee: iam.IGrantable, *, layer: bool = True) -> iam.Grant:
        """Allow `grantee` to read the table; one in a Region with a replica reads the replica.

        A Lambda function also gets the variables that `blocks_runtime` reads, and the runtime layer if it is written
        in Python.

        Args:
            grantee: a function, alias or version, another construct with an IAM role, or an IAM user.
            layer: whether a Python function gets the runtime layer. Default: True.

        Raises:
            ConstructError: the grantee has no IAM principal or is in another stage, or two tables or databases of a
                function have the same variables.
            BundlingError: there is no runtime layer for the function's Python version.
        """
        self._check(grantee)
        region = self._table.region_for(stack_of(grantee))
        self._configure_function(grantee, Access.READ_ONLY, region, layer=layer)
        return self._allow(grantee, READ, region)

    def read_write(self, grantee: iam.IGrantable, *, layer: bool = True) -> iam.Grant:
        """Allow `grantee` to read and write the table, in its home Region whatever the grantee's is.

        Replication between Regions is eventual: two Regions that write would overwrite each other's changes, with locks
        as without. So all who write use one Region.

        Args:
            grantee: as for `read`.
            layer: whether a Python function gets the runtime layer. Default: True.

        Raises:
            ConstructError: as for `read`.
            BundlingError: there is no runtime layer for the function's Python version.
        """
        self._check(grantee)
        self._configure_function(grantee, Access.READ_WRITE, self._table.home_region, layer=layer)
        return self._allow(grantee, (*READ, *WRITE), self._table.home_region)

    def actions(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow `grantee` the IAM `actions` on this table alone, in its home Region.

        Raises:
            ConstructError: there are no actions, one is not text or of another service, or the grantee is refused
                as by `read`.
        """
        check_actions(self._table.node.path, actions, "dynamodb", 'grant(fn, "dynamodb:Scan")')
        self._check(grantee)
        return self._allow_table(grantee, actions, self._table.home_region)

    def _allow(self, grantee: iam.IGrantable, actions: tuple[str, ...], region: str) -> iam.Grant:
        key = self._table.encryption_key
        of_key = list[iam.PolicyStatement]()
        if key is not None:
            on_key = KEY_READ if actions == READ else KEY_WRITE
            key.grant(grantee, *on_key)
            of_key = [iam.PolicyStatement(actions=list(on_key), resources=[key.key_arn])]
        return self._allow_table(grantee, sorted(actions), region, of_key)

    def _allow_table(
        self,
        grantee: iam.IGrantable,
        actions: Sequence[str],
        region: str,
        further: Sequence[iam.PolicyStatement] = (),
    ) -> iam.Grant:
        arn = self._table.arn_in(region)
        return allow(self._table, grantee, actions, arn, block="table", further=further)

    def _check(self, grantee: iam.IGrantable) -> None:
        """Check that a grantee has an IAM principal and can refer to the table; warn of one in another account.

        Raises:
            ConstructError: it has none, such as an L1 or a text, or is in another stage.
        """
        _check_principal(grantee)
        warn_of_other_account(
            self._table,
            grantee,
            block="table",
            fault="DynamoDB needs a resource policy of the table for it as well",
            remedy=", or add both policies by hand",
        )
        # The ARN of an imported table is a text, which every stage may have.
        owner, stack = owner_of(self._table.table_arn), stack_of(grantee)
        if owner is not None and stack is not None and Stage.of(stack) is not Stage.of(owner):
            raise ConstructError(
                f"{name_of(grantee)} and {owner.node.path} with the table are in different stages",
                "the CDK allows no reference between stages",
                "create both stacks in one Stage, or import the table by its name",
            )

    def _configure_function(
        self, grantee: iam.IGrantable, access: Access, region: str, *, layer: bool
    ) -> None:
        check({"layer": SWITCH}, {"layer": layer})
        function = function_behind(grantee)
        if not isinstance(function, lambda_.Function):
            if function is not None:
                _warn_of_foreign_function(self._table)
            return
        known = FunctionVariables.of(function, self._table)
        if known.role != Access.READ_WRITE.value:  # a function that may write reads there, too
            known.role = access.value
            variables = TableVariables(self._table.table_name, region)
            for name, value in variables.environment(self._table.node.id).items():
                function.add_environment(name, value)
        if layer:
            add_runtime_layer(function)


def _check_principal(grantee: iam.IGrantable) -> None:
    """Check that a grantee has an IAM principal.

    Raises:
        ConstructError: it has none, such as an L1 or a text.
    """
    if getattr(grantee, "grant_principal", None) is None:
        node = getattr(grantee, "node", None)
        raise ConstructError(
            f"{type(grantee).__name__ if node is None else node.path} cannot be granted access to a table",
            "the permissions are those of an IAM principal, and this grantee has none in CDK",
            "grant to a function, task role, instance role or user; import a role, or an L1, with "
            "`iam.Role.from_role_arn`",
        )


def _warn_of_foreign_function(table: TableBase) -> None:
    Annotations.of(table).add_warning_v2(
        "@blocks/table:variablesByHand",
        f"a function that is not a Function of this app is granted {table.node.path}, so its variables and layer "
        "cannot be set here: set the variables that environment() of the table returns",
    )
