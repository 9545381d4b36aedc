"""What the front knows of one open transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsql_dialect import TransactionRules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local_dsql.occ.effects import Effects
    from local_dsql.occ.locks import RowLocks
    from local_dsql.wire.messages import ServerMessage


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction of a client, or one that the front wraps around a statement of its own accord (`implicit`).

    `sequence` and `catalog` are the counters of commits and of catalog changes when its snapshot was taken, and
    `snapshot_end` is the first transaction number that the snapshot does not cover.

    States. *Live*: its changes are in PostgreSQL. *Parked* (`parked` is set): they are here, PostgreSQL holds the
    snapshot and nothing else. *Doomed* (`doomed` is set, live or parked): it lost, works on, and learns it at COMMIT.
    *Failed*: the client has to roll back; PostgreSQL needs nothing but ROLLBACK.
    """

    implicit: bool
    sequence: int
    catalog: int
    snapshot_end: int
    log_start: str
    """Where PostgreSQL's log was when it began; what has been logged since bounds what it has changed."""
    rules: TransactionRules = field(default_factory=TransactionRules)
    rows: int = 0
    tables: set[str] = field(default_factory=set)
    """Names of the tables that its statements write to."""
    statements: list[str] = field(default_factory=list)
    """Texts of its statements that change or lock something, noted while an injection wants to see them."""
    expired: bool = False
    """It is older than a transaction may be."""
    wrote: bool = False
    """It has changed rows, and holds locks on them while it is live."""
    removed: bool = False
    """It may have taken keys away: by DELETE, or by an UPDATE of a key column."""
    locks: RowLocks | None = None
    """Rows taken FOR UPDATE or FOR KEY SHARE."""
    redo: Callable[[], Awaitable[None]] | None = None
    """Runs its DDL statement again."""
    on_commit: list[Callable[[], None]] = field(default_factory=list)
    """What to call once it has committed."""
    settings: list[str] = field(default_factory=list)
    """SET and SET CONSTRAINTS since BEGIN, in order."""
    reshapes: frozenset[str] | None = None
    """Names of the tables that its DDL statement makes or changes; None: any."""
    redefines: bool = False
    """Its DDL statement may change what functions or views do."""
    failed: bool = False
    doomed: ServerMessage | None = None
    parked: Effects | None = None
    began_at: int = field(init=False)
    """Its first `sequence`, which going on as a doomed one does not change."""
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Note when it began."""
        self.began_at = self.sequence

    @property
    def holds(self) -> bool:
        """Whether another statement could have to wait for it."""
        return self.parked is None and not self.reads_only

    @property
    def reads_only(self) -> bool:
        """Whether it has nothing to commit, and nothing to lose."""
        return not (self.wrote or self.locks is not None or self.redo is not None or self.doomed is not None)
