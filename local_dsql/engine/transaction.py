"""State of one open transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsql_dialect import TransactionRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_dsql.engine.commands import Command
    from local_dsql.engine.requests import Request
    from local_dsql.engine.row_changes import RowChanges
    from local_dsql.wire.messages import ServerMessage
    from local_dsql.write_ahead_log.snapshot import Snapshot

BASE = "local_dsql_base"
"""Savepoint right after BEGIN. Clients cannot name it: the dialect has no savepoints."""

GUARD = "local_dsql_guard"
"""Savepoint before a statement that others can be in the way of. It nests and is never released: a released one hands
its locks to the transaction as a whole, and then ROLLBACK TO does not let go of them."""


_NO_RULES = TransactionRules()


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction of a client, or one that the proxy opens around statements of its own accord (`implicit`).

    States. *Active*: its changes are in PostgreSQL. *Suspended* (`suspended` is set): they are here, and PostgreSQL
    holds its snapshot and nothing else. *Doomed* (`doomed` is set, active or suspended): it has lost, goes on over a
    fresh snapshot, and gets the error at COMMIT. *Failed*: the client has to roll back.

    Attributes:
        begin: the BEGIN that opened it, to open it again.
        snapshot: the snapshot that its statements run on.
        first_snapshot: the snapshot that it began with, which that of a doomed one is newer than.
        keeps: position in the log: what was committed before it, the snapshot shows.
        start: position in the log before which it cannot have written.
        commits: count of commits that its snapshot surely covers; -1 if a COMMIT was under way.
        catalog_version: version of the catalog when it began.
        replay: statements that set parameters or change the catalog, in order, to be run again after a suspension.
        settings: commands that set what functions have set by set_config(), found when it was suspended.
        relations: OIDs of relations that it had locked when it was suspended.
        rows: rows that its statements have changed.
        checked: position in the log up to which its rows were counted and compared with those that others removed.
        uncounted: row operations after `checked` that need not be counted: they are, or were restored.
        unjudged: what others have committed since its snapshot is not known any more: it never commits.
        restored: changes were brought back with foreign keys not acting, so deferred checks are not in the queue.
        moved: deferrable foreign keys that a restored update has given another value.
        changes_catalog: one of its statements has changed the catalog.
        rules: transaction rules of the dialect.
        locks_keys: one of its statements has a FOR KEY SHARE clause.
        statements: texts of its statements, kept while a fault injection wants them.
        on_commit: called once it has committed.
    """

    implicit: bool
    begin: bytes
    snapshot: Snapshot
    keeps: int
    start: int
    commits: int
    catalog_version: int
    first_snapshot: Snapshot = field(init=False)
    checked: int = field(init=False)
    failed: bool = False
    expired: bool = False
    unjudged: bool = False
    doomed: ServerMessage | None = None
    suspended: RowChanges | None = None
    replay: list[Request | Command] = field(default_factory=list)
    settings: tuple[Command, ...] = ()
    relations: set[int] = field(default_factory=set)
    rows: int = 0
    uncounted: int = 0
    restored: bool = False
    locks_keys: bool = False
    moved: set[str] = field(default_factory=set)
    changes_catalog: bool = False
    rules: TransactionRules = _NO_RULES
    statements: list[str] = field(default_factory=list)
    on_commit: list[Callable[[], None]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Note how it began."""
        self.first_snapshot = self.snapshot
        self.checked = self.start

    @property
    def is_active(self) -> bool:
        """Return whether its next statement can run at once."""
        return not (self.failed or self.expired or self.unjudged or self.suspended is not None)
