"""Interface of every table, new or imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.atomic_table.base import TableBase
from blocks.atomic_table.grants import TableGrants
from blocks_runtime.contract import TableVariables

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from constructs import Construct


class IAtomicTable(TableBase):
    """A DynamoDB table that access can be granted to; its id is its name in application code."""

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        self._grants = TableGrants.from_table(self)

    @property
    def grants(self) -> TableGrants:
        """The grants on this table."""
        return self._grants

    def grant_read(self, grantee: iam.IGrantable, *, layer: bool = True) -> iam.Grant:
        """Allow `grantee` to read the table; see `TableGrants.read`.

        Args:
            grantee: a function, alias or version, another construct with an IAM role, or an IAM user.
            layer: whether a Python function gets the runtime layer. Default: True.
        """
        return self.grants.read(grantee, layer=layer)

    def grant_read_write(self, grantee: iam.IGrantable, *, layer: bool = True) -> iam.Grant:
        """Allow `grantee` to read and write the table; see `TableGrants.read_write`.

        Args:
            grantee: a function, alias or version, another construct with an IAM role, or an IAM user.
            layer: whether a Python function gets the runtime layer. Default: True.
        """
        return self.grants.read_write(grantee, layer=layer)

    def grant(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow `grantee` further IAM actions, such as `dynamodb:Scan`, on this table alone."""
        return self.grants.actions(grantee, *actions)

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which code opens this table.

        `grant_read_write` sets them on functions; set them yourself on a container or an instance.
        """
        return TableVariables(self.table_name, self.home_region).environment(self.node.id)
