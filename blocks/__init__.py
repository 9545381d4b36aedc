"""CDK constructs for Aurora DSQL and DynamoDB: a cluster, its migrations on `cdk deploy`, a table, and their grants.

    from blocks import AtomicTable, DistributedDatabase

    db = DistributedDatabase(self, "main", migrations="migrations/")
    db.grant_connect(function)
    table = AtomicTable(self, "locks")
    table.grant_read_write(function)

Names are imported when first used, so that `blocks.bundling` works without aws_cdk, whose import takes a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from blocks.atomic_table.grants import TableGrants as TableGrants
    from blocks.atomic_table.imported import ImportedTable as ImportedTable
    from blocks.atomic_table.interface import IAtomicTable as IAtomicTable
    from blocks.atomic_table.table import AtomicTable as AtomicTable
    from blocks.database.backups import BackupPolicy as BackupPolicy
    from blocks.database.backups import DatabaseBackup as DatabaseBackup
    from blocks.database.database import DistributedDatabase as DistributedDatabase
    from blocks.database.database_grant import DatabaseGrant as DatabaseGrant
    from blocks.database.grants import DatabaseGrants as DatabaseGrants
    from blocks.database.imported import ImportedDatabase as ImportedDatabase
    from blocks.database.interface import IDistributedDatabase as IDistributedDatabase
    from blocks.database.migrator import Migrator as Migrator
    from blocks.database.multi_region import MultiRegion as MultiRegion
    from blocks.database.peer import PeerCluster as PeerCluster
    from blocks.database.peering import Peering as Peering
    from blocks.database.roles import Access as Access
    from blocks.database.roles import DatabaseRole as DatabaseRole
    from blocks.database.roles import Privilege as Privilege
    from blocks.shared.errors import ConstructError as ConstructError
    from blocks.shared.function_code import function_code as function_code
else:
    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "Access": "database.roles",
            "AtomicTable": "atomic_table.table",
            "BackupPolicy": "database.backups",
            "ConstructError": "shared.errors",
            "DatabaseBackup": "database.backups",
            "DatabaseGrant": "database.database_grant",
            "DatabaseGrants": "database.grants",
            "DatabaseRole": "database.roles",
            "DistributedDatabase": "database.database",
            "function_code": "shared.function_code",
            "IAtomicTable": "atomic_table.interface",
            "IDistributedDatabase": "database.interface",
            "ImportedDatabase": "database.imported",
            "ImportedTable": "atomic_table.imported",
            "Migrator": "database.migrator",
            "MultiRegion": "database.multi_region",
            "PeerCluster": "database.peer",
            "Peering": "database.peering",
            "Privilege": "database.roles",
            "TableGrants": "atomic_table.grants",
        },
    )
