"""CDK constructs for Aurora DSQL: a cluster, its migrations on `cdk deploy`, and least-privilege grants.

    from blocks import DistributedDatabase

    db = DistributedDatabase(self, "main", migrations="migrations/")
    db.grant_connect(function)

Names are imported when first used, so that `blocks.bundling` works without aws_cdk, whose import takes a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blocks_runtime.shared.lazy_exports import lazy_exports

if TYPE_CHECKING:
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
else:
    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "Access": "database.roles",
            "BackupPolicy": "database.backups",
            "ConstructError": "shared.errors",
            "DatabaseBackup": "database.backups",
            "DatabaseGrant": "database.database_grant",
            "DatabaseGrants": "database.grants",
            "DatabaseRole": "database.roles",
            "DistributedDatabase": "database.database",
            "IDistributedDatabase": "database.interface",
            "ImportedDatabase": "database.imported",
            "Migrator": "database.migrator",
            "MultiRegion": "database.multi_region",
            "PeerCluster": "database.peer",
            "Peering": "database.peering",
            "Privilege": "database.roles",
        },
    )
