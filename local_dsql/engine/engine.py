"""The engine: start and stop, the sessions, and the background work on the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from local_dsql.engine.answers import relayed_error
from local_dsql.engine.commands import Command
from local_dsql.engine.commits import CommitCounter
from local_dsql.engine.conflict_log import ConflictLog
from local_dsql.engine.control import CONTROL_ROLE, ControlConnections
from local_dsql.engine.errors import EngineError
from local_dsql.engine.limits import Limits
from local_dsql.engine.log_follower import LogFollower
from local_dsql.engine.opening import forget_unneeded
from local_dsql.engine.owner_functions import OwnerFunctions
from local_dsql.engine.powers import new_token
from local_dsql.engine.session import EngineSession, Services
from local_dsql.engine.table_catalog import TableCatalog
from local_dsql.engine.unblock import end_all_watches
from local_dsql.engine.unneeded_log import UnneededLog
from local_dsql.engine.wait_log import WaitLog
from local_dsql.faults.injector import Injector
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.response import BackendError
from local_dsql.write_ahead_log import retention
from local_dsql.write_ahead_log.lsn import parse_lsn
from local_dsql.write_ahead_log.reader import LogReader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from local_dsql.cost.meter import CostMeter
    from local_dsql.engine.portals import PortalKeeper
    from local_dsql.wire.backend import Backend

_log = logging.getLogger(__name__)

SUPERUSER = "postgres"
_ROUND = 0.1
"""Seconds between rounds of the background work."""
_PATIENCE = 1.0
"""Seconds that background work of sessions may take when the engine stops."""
_RELEASE_EVERY = 4 * 1024 * 1024
"""Most bytes of log that PostgreSQL keeps for the engine without need."""
_ORIGIN = (
    "SELECT d.oid, pg_catalog.pg_current_wal_insert_lsn(), s.setting, c.timeline_id,"
    " pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"
    " FROM pg_catalog.pg_database d, pg_catalog.pg_settings s, pg_catalog.pg_control_checkpoint() c"
    " WHERE d.datname = pg_catalog.current_database() AND s.name = 'wal_segment_size'"
)
_FLUSH_COUNTERS = Command("SELECT pg_catalog.pg_stat_force_next_flush()")
_TERMINATE = "SELECT pg_catalog.pg_terminate_backend({pid})"


class Engine:
    """Optimistic concurrency control for the sessions of one database.

    Args:
        connect: returns a connection to the database for a role; the engine uses those of `postgres` and of its own.
        data_directory: PostgreSQL's data directory, whose log the engine reads.
        limits: DSQL's limits.
        suspend_always: for tests: suspend every open transaction after each of its statements.
    """

    services: Services

    def __init__(
        self,
        connect: Callable[[str], Awaitable[Backend]],
        data_directory: Path,
        limits: Limits | None = None,
        *,
        suspend_always: bool = False,
    ) -> None:
        self._connect = connect
        self._data_directory = data_directory
        self._limits = limits or Limits()
        self._suspend_always = suspend_always
        self._rounds: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect to PostgreSQL and begin to follow its log.

        Raises:
            OSError: PostgreSQL cannot be reached.
            BackendError: the database lacks `local_dsql.catalog`, or runs without `retention.SETTINGS`.
        """
        self._superuser = await self._connect(SUPERUSER)
        token, accept = new_token()
        await self._superuser.rows(accept)
        await self._superuser.rows(retention.HOLD)
        control = ControlConnections(lambda: self._connect(CONTROL_ROLE))
        await control.open()
        self._reader = await self._make_reader()
        self._released = self._reader.position
        owner_functions = OwnerFunctions(self._superuser)
        self.services = Services(
            control,
            LogFollower(control, self._reader),
            TableCatalog(owner_functions),
            CommitCounter(),
            self._limits,
            ConflictLog(),
            WaitLog(),
            Injector(),
            owner_functions,
            token,
            self._suspend_always,
        )
        self._unneeded = UnneededLog(self.services)
        self.services.log.on_loss = self.services.refuse_open_commits
        self._rounds = asyncio.get_running_loop().create_task(self._keep_up())

    async def _make_reader(self) -> LogReader:
        ((database, start, segment, timeline, next_xid),) = await self._superuser.rows(_ORIGIN)
        return LogReader(
            self._data_directory,
            start=parse_lsn(str(start)),
            database=int(str(database)),
            timeline=int(str(timeline)),
            segment_size=int(str(segment)),
            next_xid=int(str(next_xid)),
        )

    async def end_sessions(self) -> None:
        """End all sessions of clients, and forget injections, conflicts and waits, as for a new database."""
        for session in list(self.services.sessions.values()):
            self.leave(session)
        await self.services.end_background(_PATIENCE)
        self.services.injector.clear()
        self.services.conflict_log.conflicts.clear()
        self.services.wait_log.entries.clear()

    async def make_cost_meter(self, regions: int) -> CostMeter:
        """Return a meter for what is committed from now on; each write is paid in `regions` Regions."""
        from local_dsql.cost import meter  # most servers never need one

        await self._flush()
        return meter.CostMeter(
            self._superuser.exclusive_rows,
            await self._make_reader(),
            self._flush,
            regions,
            self.services.meters,
        )

    async def _flush(self) -> int:
        """Make the counters of idle sessions current; return the position up to which the log is flushed."""
        for session in list(self.services.sessions.values()):
            if session.transaction is None and (held := session.try_exclusive()) is not None:
                try:
                    await held.run([_FLUSH_COUNTERS])
                finally:
                    held.release()
        await self._superuser.exclusive_rows(_FLUSH_COUNTERS.sql)  # the meter's own reads of the tables
        await self.services.log.catch_up()
        return self.services.log.position

    async def close(self) -> None:
        """Close all sessions and connections."""
        for session in list(self.services.sessions.values()):
            self.leave(session)
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.wait([self._rounds])
        end_all_watches(self.services)
        await self.services.end_background(_PATIENCE)
        self.services.injector.clear()
        self.services.control.close()
        self._superuser.close()
        self._reader.close()

    def join(
        self, backend: Backend, role: str, region: str = "", portals: PortalKeeper | None = None
    ) -> EngineSession:
        """Add the session of a backend that is logged in as `role`, until `leave`."""
        session = EngineSession(self.services, backend, role, region, portals)
        backend.replace_errors(relayed_error)
        self.services.sessions[backend.pid] = session
        return session

    def leave(self, session: EngineSession) -> None:
        """Remove a session whose client has disconnected, and end its backend."""
        self.services.sessions.pop(session.backend.pid, None)
        self.services.turns.leave(session)
        self.services.open.discard(session)
        self.services.catalog.changing.discard(session)
        if session.backend.lock.locked:
            # Its task works with the transaction until it finds the connection closed. PostgreSQL notices that only at
            # the end of a statement, and holds its locks until then.
            self.services.run_in_background(self._terminate(session.backend.pid))
        else:
            session.close()
        session.backend.close()

    async def _terminate(self, pid: int) -> None:
        with contextlib.suppress(ConnectionLost, BackendError):
            await self.services.control.rows(_TERMINATE.format(pid=pid))

    async def _keep_up(self) -> None:
        """Read the log in the background, so that little is unread when it is needed."""
        mark = -1
        while True:
            await asyncio.sleep(_ROUND)
            moved = self.services.commits.ended
            if moved == mark:
                forget_unneeded(self.services)
                continue
            mark = moved
            try:
                await self._round()
            except (ConnectionLost, BackendError):
                _log.debug("the log is not followed: PostgreSQL is stopping")
            except EngineError:
                _log.exception("the log has a gap; open transactions get a conflict")

    async def _round(self) -> None:
        services = self.services
        if not (services.is_idle() and await self._unneeded.skip()):
            await services.log.catch_up()
        forget_unneeded(services)
        position = services.log.position
        if position - self._released > _RELEASE_EVERY:
            self._released = position
            await self._superuser.exclusive_rows(retention.release(position))
