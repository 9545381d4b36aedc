"""What the front knows of one open transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsql_dialect import TransactionRules

if TYPE_CHECKING:
    from local_dsql.wire.messages import ServerMessage


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction of a client, or one that the front wraps around a statement of its own accord (`implicit`).

    `sequence` and `catalog` are the counters of commits and of catalog changes when its snapshot was taken.
    `failed` means that the client has to roll back; PostgreSQL may have rolled back already.
    """

    implicit: bool
    sequence: int
    catalog: int
    snapshot_end: int = 0
    rules: TransactionRules = field(default_factory=TransactionRules)
    rows: int = 0
    wrote: bool = False
    failed: bool = False
    doomed: ServerMessage | None = None
    started: float = field(default_factory=time.monotonic)
