"""An existing table of another stack or tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks.atomic_table.interface import IAtomicTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_kms as kms
    from constructs import Construct


class ImportedTable(IAtomicTable):
    """An existing table; created by `AtomicTable.from_table_name`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        table_name: str,
        encryption_key: kms.IKey | None = None,
        replicas: Sequence[str] = (),
    ) -> None:
        """Import the table.

        Args:
            scope: parent construct.
            id: name of the table in application code.
            table_name: name of the table.
            encryption_key: its customer managed key. Default: a key that DynamoDB owns.
            replicas: Regions of its replicas. Default: one Region.
        """
        super().__init__(scope, id)
        self._name = table_name
        self._key = encryption_key
        self._replicas = tuple(replicas)

    @property
    def table_name(self) -> str:
        return self._name

    @property
    def encryption_key(self) -> kms.IKey | None:
        return self._key

    @property
    def replica_regions(self) -> tuple[str, ...]:
        return self._replicas
