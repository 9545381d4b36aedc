"""CDK constructs for Aurora DSQL: a cluster, its migrations on `cdk deploy`, and least-privilege grants.

    from blocks import DistributedDatabase

    db = DistributedDatabase(self, "main", migrations="migrations/")
    db.grant_connect(function)

Names are imported when first used, so that `blocks.bundling` can be had without aws_cdk, whose import takes a
second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.database.backups import BackupPolicy, DatabaseBackup
    from blocks.database.database import DistributedDatabase
    from blocks.database.grants import DatabaseGrants
    from blocks.database.imported import ImportedDatabase
    from blocks.database.interface import IDistributedDatabase
    from blocks.database.migrator import Migrator
    from blocks.database.multi_region import MultiRegion
    from blocks.database.peer import PeerCluster
    from blocks.database.peering import Peering
    from blocks.database.roles import DatabaseRole, Privilege
    from blocks.shared.errors import ConstructError
    from blocks_runtime.contract import Access

__all__ = [
    "Access",
    "BackupPolicy",
    "ConstructError",
    "DatabaseBackup",
    "DatabaseGrants",
    "DatabaseRole",
    "DistributedDatabase",
    "IDistributedDatabase",
    "ImportedDatabase",
    "Migrator",
    "MultiRegion",
    "PeerCluster",
    "Peering",
    "Privilege",
]

_HOMES = {
    "Access": "blocks_runtime.contract",
    "BackupPolicy": "blocks.database.backups",
    "ConstructError": "blocks.shared.errors",
    "DatabaseBackup": "blocks.database.backups",
    "DatabaseGrants": "blocks.database.grants",
    "DatabaseRole": "blocks.database.roles",
    "DistributedDatabase": "blocks.database.database",
    "IDistributedDatabase": "blocks.database.interface",
    "ImportedDatabase": "blocks.database.imported",
    "Migrator": "blocks.database.migrator",
    "MultiRegion": "blocks.database.multi_region",
    "PeerCluster": "blocks.database.peer",
    "Peering": "blocks.database.peering",
    "Privilege": "blocks.database.roles",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
