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
    from blocks.backups import BackupPolicy, DatabaseBackup
    from blocks.database import DistributedDatabase
    from blocks.errors import ConstructError
    from blocks.grants import DatabaseGrants
    from blocks.imported import ImportedDatabase
    from blocks.interface import IDistributedDatabase
    from blocks.migrator import Migrator
    from blocks.multi_region import MultiRegion
    from blocks.peer import PeerCluster
    from blocks.peering import Peering
    from blocks.roles import DatabaseRole, Privilege
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
    "BackupPolicy": "blocks.backups",
    "ConstructError": "blocks.errors",
    "DatabaseBackup": "blocks.backups",
    "DatabaseGrants": "blocks.grants",
    "DatabaseRole": "blocks.roles",
    "DistributedDatabase": "blocks.database",
    "IDistributedDatabase": "blocks.interface",
    "ImportedDatabase": "blocks.imported",
    "Migrator": "blocks.migrator",
    "MultiRegion": "blocks.multi_region",
    "PeerCluster": "blocks.peer",
    "Peering": "blocks.peering",
    "Privilege": "blocks.roles",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
