"""Skip the log that no transaction can need, while all statements run in autocommit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.write_ahead_log.lsn import parse_lsn
from local_dsql.write_ahead_log.snapshot import Snapshot

if TYPE_CHECKING:
    from local_dsql.engine.session import Services

_BACKLOG = 1024 * 1024
"""Bytes of log that may be unread while statements in autocommit run."""
_LOOKS = 3
_INTERVAL = 0.01
"""Seconds between looks: a statement in autocommit that ran at the first one has usually ended at the next."""
_QUERY = (
    "SELECT pg_catalog.pg_current_wal_insert_lsn(); SELECT pg_catalog.pg_current_snapshot();"
    " SELECT pg_catalog.string_agg(backend_xid::text, ' ') FROM pg_catalog.pg_stat_get_activity(NULL)"
)
"""Several statements, because the running transactions must be read after the position.

A snapshot is not enough: it does not name a running transaction that is newer than all that have ended.
"""


@dataclass(frozen=True, slots=True)
class _Mark:
    """A position in the log, and the transactions that may have written before it.

    Attributes:
        next_xid: every transaction that wrote before the position, and still ran then, is older.
    """

    position: int
    snapshot: Snapshot
    next_xid: int

    def is_passed(self, snapshot: Snapshot) -> bool:
        """Return whether every transaction that wrote before the position has ended, as a later snapshot shows."""
        return snapshot.xmin >= self.next_xid


class UnneededLog:
    """Skips the log behind the statements in autocommit; these never need what others have written."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._mark: _Mark | None = None

    async def skip(self) -> bool:
        """Skip the log that no transaction can need; return whether little is unread.

        Nothing is skipped while a session is in a transaction. A statement that runs for long keeps the log since
        its start; the caller then has to read it.
        """
        log = self._services.log
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_INTERVAL)
            seen = await self._look()
            if not self._services.is_idle():
                self._mark = None
                return False
            for mark in (seen, self._mark):
                if mark is not None and mark.is_passed(seen.snapshot):
                    log.skip(mark.position)
            if self._mark is None or self._mark.is_passed(seen.snapshot):
                self._mark = seen
            log.forget(seen.snapshot.xmin, log.position)
            if seen.position - log.position < _BACKLOG:
                return True
        return False

    async def _look(self) -> _Mark:
        (position,), (snapshot,), (running,) = await self._services.control.rows(_QUERY)
        shown = Snapshot.parse(str(snapshot))
        xids = map(self._services.log.full_xid, map(int, (running or "").split()))
        return _Mark(parse_lsn(str(position)), shown, max([shown.xmax, *(xid + 1 for xid in xids)]))
