"""State of one open transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsql_dialect import TransactionRules

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection

    from local_dsql.engine.commands import Command
    from local_dsql.engine.requests import Request
    from local_dsql.engine.row_changes import RowChanges
    from local_dsql.wire.messages import ServerMessage
    from local_dsql.write_ahead_log.operations import OperationKind, Place
    from local_dsql.write_ahead_log.snapshot import Snapshot

BASE = "local_dsql_base"
"""Savepoint right after BEGIN. Clients cannot name it: the dialect has no savepoints."""

GUARD = "local_dsql_guard"
"""Savepoint before a statement that others can block. It nests and is never released: RELEASE would give its locks to
the transaction, and ROLLBACK TO would not release them any more."""

_NO_RULES = TransactionRules()


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction: opened by the client, or by the proxy around several statements (`implicit`).

    It is *active* while its changes are in PostgreSQL. It is *suspended* (`suspended` is set) while this object has its
    changes, and PostgreSQL only its snapshot. After a conflict it is *doomed* (`doomed` is set, active or suspended):
    it continues on a fresh snapshot, and gets the error at COMMIT. It is *failed* after an error: only ROLLBACK is
    left.

    Attributes:
        begin: the messages of its BEGIN, to open it again.
        begins: number of these messages; a second BEGIN may change the modes.
        unused_until: time up to which only BEGIN and SET have run in it (time.monotonic).
        snapshot: the snapshot that its statements run on.
        first_snapshot: the snapshot that it began with. A doomed transaction runs on a newer one.
        keeps: position in the log. The snapshot shows everything that was committed before it.
        start: position in the log before which it cannot have written.
        commits: count of commits that its snapshot covers; -1 if a COMMIT was in progress.
        catalog_version: version of the catalog when it began.
        replay: statements that set parameters or change the catalog, in order, for `engine.replay`.
        reports_settings: the client was told a parameter's new value, which has to be reset if the transaction fails.
        reads_committed: it is doomed, and others have committed changes of its rows again since: it continues at READ
            COMMITTED, where a statement waits for the newest row and does not fail.
        settings: commands that repeat what set_config() has set, found by the last suspension.
        relations: OIDs of the relations that it had locked before a suspension.
        rows: rows that its statements have changed.
        checked: position in the log up to which its rows were counted, and checked against rows that others removed.
        uncounted: row operations after `checked` not to count: they are counted already, or were restored.
        log_lost: the log that shows the commits since its snapshot is lost, so it never commits.
        restored: changes were restored without foreign key triggers, so PostgreSQL has no deferred checks for them.
        moved: base places of rows whose value of a deferrable foreign key a restored UPDATE has changed, by its name.
        changes_catalog: one of its statements has changed the catalog.
        catalog_operations: changes of the catalog by its DDL, by file and kind, found by the last suspension; None if
            it has changed nothing there before that.
        rules: transaction rules of the dialect.
        locks_keys: one of its statements has a FOR KEY SHARE clause.
        locks_rows: one of its statements has a FOR UPDATE clause.
        statements: texts of its statements, kept while a fault injection has a predicate.
        on_commit: functions to call after its COMMIT.
    """

    implicit: bool
    begin: bytes
    snapshot: Snapshot
    keeps: int
    start: int
    commits: int
    catalog_version: int
    begins: int = 1
    first_snapshot: Snapshot = field(init=False)
    checked: int = field(init=False)
    failed: bool = False
    expired: bool = False
    log_lost: bool = False
    doomed: ServerMessage | None = None
    reads_committed: bool = False
    suspended: RowChanges | None = None
    replay: list[Request | Command] = field(default_factory=list)
    reports_settings: bool = False
    settings: tuple[Command, ...] = ()
    relations: set[int] = field(default_factory=set)
    rows: int = 0
    uncounted: int = 0
    restored: bool = False
    locks_keys: bool = False
    locks_rows: bool = False
    moved: dict[str, Collection[Place]] = field(default_factory=dict)
    changes_catalog: bool = False
    catalog_operations: Counter[tuple[int, OperationKind]] | None = None
    rules: TransactionRules = _NO_RULES
    statements: list[str] = field(default_factory=list)
    on_commit: list[Callable[[], None]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    unused_until: float = field(init=False)

    def __post_init__(self) -> None:
        """Note how it began."""
        self.unused_until = self.began
        self.first_snapshot = self.snapshot
        self.checked = self.start

    @property
    def is_active(self) -> bool:
        """Return whether its next statement can run without resuming it."""
        return not (self.failed or self.expired or self.log_lost or self.suspended is not None)
