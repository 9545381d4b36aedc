"""The job worker: runs jobs one after the other on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from typing import TYPE_CHECKING

from dsql_dialect.rules.making import MINISTACK_DAY
from local_dsql.engine.session import EngineSession
from local_dsql.engine.unblock import watched
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.response import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dsql_dialect import Profile
    from local_dsql.engine.session import Services
    from local_dsql.wire.backend import Backend

_log = logging.getLogger(__name__)

_DUPLICATE_FOUND = "Found duplicate key while validating index for UCVs"
_DUPLICATES_FOUND = "found duplicate key(s) while validating index uniqueness"

_LOOK_AGAIN = 1.0
"""Seconds between polls for jobs without a wake-up."""

_PASSING = frozenset({"40001", "40P01", "55P03", "57014"})
"""Transient SQLSTATEs: serialization failure, deadlock, lock not available, query canceled."""

_MOST_TRIES = 60

DROPPED = "relation does not exist"
"""Details of a job whose object was dropped meanwhile: it ends as completed, as on DSQL."""


_ROLE = "postgres"


def duplicates_found(profile: Profile) -> str:
    """Return the details of a failed build of a unique index.

    The first text was recorded on 2026-09-23, eu-central-1; the second one is known from `making.MINISTACK`.
    """
    return _DUPLICATES_FOUND if profile.lifts(MINISTACK_DAY) else _DUPLICATE_FOUND


class Worker:
    """Finishes index builds and validates constraints, in order of submission.

    A COMMIT with a job wakes the worker. It also polls every second: jobs of clients that died during COMMIT and jobs
    left by an earlier server process end as `completed` or `failed` too. If its connection breaks, it reconnects and
    restarts the job.

    Transactions that block it are suspended. `delay` is in seconds before each job: 0 by default, more for tests that
    need an unfinished job.
    """

    def __init__(self, connect: Callable[[], Awaitable[Backend]], profile: Profile) -> None:
        self.delay = 0.0
        self._duplicates_found = duplicates_found(profile)
        self._connect = connect
        self._work = asyncio.Event()
        self._tries: Counter[str] = Counter()
        self._askers: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self, services: Services) -> None:
        """Connect, and resume unfinished jobs."""
        self._services = services
        self._session = EngineSession(services, await self._connect(), _ROLE)
        self._work.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def backend(self) -> Backend:
        """Its connection."""
        return self._session.backend

    async def close(self) -> None:
        """Stop; unfinished jobs resume at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionLost):
                await self._task
            self.backend.close()

    def wake(self, job_id: str, asker: int) -> None:
        """Announce a new job, of a session (its process number): that its end changes the catalog is no news to it."""
        self._askers[job_id] = asker
        self._work.set()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), _LOOK_AGAIN)
            self._work.clear()
            try:
                while (job := await self._next()) is not None:
                    await self._do(*job)
            except ConnectionLost:
                await self._reconnect()
            except BackendError as error:
                _log.warning("retrying a job after SQLSTATE %s", error.sqlstate)
            except Exception:
                _log.exception("internal error in the job worker; it continues")

    async def _reconnect(self) -> None:
        self.backend.close()
        with contextlib.suppress(OSError, BackendError):  # PostgreSQL is stopping; the server reports it
            self._session = EngineSession(self._services, await self._connect(), _ROLE)

    async def _rows(self, sql: str) -> list[list[str | None]]:
        """Run statements without lock waits and return all rows.

        Raises:
            BackendError: a statement failed.
        """
        with watched(self._session):
            (answer,) = await self.backend.request(messages.query(sql))
        return answer.rows()

    async def _next(self) -> tuple[str, str, str] | None:
        rows = await self._rows(
            "SELECT job_id, job_type, object_id FROM local_dsql.job"
            " WHERE status IN ('submitted', 'processing') ORDER BY number LIMIT 1"
        )
        if not rows:
            return None
        job_id, kind, target = rows[0]
        return str(job_id), str(kind), str(target)

    async def _do(self, job_id: str, kind: str, target: str) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._note(job_id, "processing")
        try:
            run = self._index if kind == "INDEX_BUILD" else self._validate
            status, details = await run(target, self._askers.get(job_id, 0))
        except BackendError as error:
            self._tries[job_id] += 1
            if error.sqlstate in _PASSING and self._tries[job_id] < _MOST_TRIES:
                raise
            if await self._is_gone(target):
                status, details = "completed", DROPPED
            else:
                _log.info("job %s failed with SQLSTATE %s", job_id, error.sqlstate)
                status, details = "failed", error.fields.get("M")
        self._askers.pop(job_id, None)
        await self._note(job_id, status, details)

    async def _note(self, job_id: str, status: str, details: str | None = None) -> None:
        await self._rows(
            f"UPDATE local_dsql.job SET status = {literal(status)}, details = {literal(details)},"
            f" update_time = clock_timestamp() WHERE job_id = {literal(job_id)}"
        )

    async def _is_gone(self, oid: str) -> bool:
        return not await self._rows(
            f"SELECT FROM pg_catalog.pg_class WHERE oid = {oid}"
            f" UNION ALL SELECT FROM pg_catalog.pg_constraint WHERE oid = {oid}"
        )

    async def _index(self, oid: str, asker: int) -> tuple[str, str | None]:
        """Mark an index valid, unless it is unique and there are duplicates."""
        rows = await self._rows(_INDEX.format(oid=oid))
        if not rows:
            return "completed", DROPPED
        table, table_oid, owner, unique, nulls, predicate, keys = rows[0]
        if unique == "t" and await self._has_duplicates(
            str(table), str(owner), str(keys).split("\1"), predicate, nulls == "t"
        ):
            return "failed", self._duplicates_found
        # Without the lock a DROP of the index at the same time would fail, and not wait for its turn.
        await self._change(
            f"LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE;"
            f" UPDATE pg_catalog.pg_index SET indisvalid = true WHERE indexrelid = {oid}",
            int(str(table_oid)),
            asker,
        )
        # PostgreSQL plans an index-only scan only where VACUUM has made the visibility map; DSQL needs none.
        await self._rows(f"VACUUM (SKIP_LOCKED, TRUNCATE FALSE) {table}")
        return "completed", None

    async def _change(self, sql: str, table: int, asker: int) -> None:
        """Change the catalog's row of an index or a constraint of a table."""
        catalog = self._services.catalog
        catalog.begin_change()
        try:
            await self._rows(sql)
        finally:
            catalog.changed({table}, asker, "background job")
            catalog.end_change()

    async def _has_duplicates(
        self, table: str, owner: str, keys: list[str], predicate: str | None, nulls_are_equal: bool
    ) -> bool:
        """Search for duplicates as the owner of the table, whose functions the keys and the predicate may call."""
        conditions = [f"({predicate})"] if predicate else []
        if not nulls_are_equal:
            conditions += [f"({key}) IS NOT NULL" for key in keys]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        groups = ", ".join(str(number) for number in range(1, len(keys) + 1))
        columns = ", ".join(f"({key})" for key in keys)
        found = await self._rows(
            f"{_as_owner(owner)}SELECT {columns} FROM {table}{where}"
            f" GROUP BY {groups} HAVING pg_catalog.count(*) > 1 LIMIT 1"
        )
        return bool(found)

    async def _validate(self, oid: str, asker: int) -> tuple[str, str | None]:
        rows = await self._rows(
            "SELECT conrelid::regclass::text, conrelid, quote_ident(conname), pg_get_userbyid(relowner)"
            " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid"
            f" WHERE k.oid = {oid} AND NOT convalidated"
        )
        if not rows:
            return "completed", None
        table, table_oid, name, owner = rows[0]
        sql = f"{_as_owner(str(owner))}ALTER TABLE {table} VALIDATE CONSTRAINT {name}"
        await self._change(sql, int(str(table_oid)), asker)
        return "completed", None


def _as_owner(owner: str) -> str:
    """Return SQL that runs the rest of the text as the owner, with the search_path of its functions.

    A query string of several statements is one implicit transaction: after an error nothing has to be rolled back.
    """
    return f"SET LOCAL SESSION AUTHORIZATION {literal(owner)}; SET LOCAL search_path = public; "


_INDEX = """
SELECT i.indrelid::regclass::text, i.indrelid,
  (SELECT pg_catalog.pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE oid = i.indrelid),
  i.indisunique, i.indnullsnotdistinct,
  pg_catalog.pg_get_expr(i.indpred, i.indrelid),
  (SELECT pg_catalog.string_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k, true), chr(1) ORDER BY k)
   FROM pg_catalog.generate_series(1, i.indnkeyatts) k)
FROM pg_catalog.pg_index i WHERE i.indexrelid = {oid}
"""
