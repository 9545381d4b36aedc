"""The job worker: runs jobs one after the other on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from typing import TYPE_CHECKING

from local_dsql.occ.waiting import ask
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost
from local_dsql.wire.response import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local_dsql.occ.commit import Ending
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.transaction import Transaction
    from local_dsql.wire.backend import Backend

_log = logging.getLogger(__name__)

DUPLICATE_FOUND = "Found duplicate key while validating index for UCVs"
"""Details of a failed build (recorded 2026-09-23, eu-central-1)."""

_LOOK_AGAIN = 1.0
"""Seconds between polls for jobs without a wake-up."""

_PASSING = frozenset({"40001", "40P01", "55P03", "57014"})
"""Transient SQLSTATEs: serialization failure, deadlock, lock not available, query canceled."""

_MOST_TRIES = 60

DROPPED = "relation does not exist"
"""Details of a job whose object was dropped meanwhile: it ends as completed, as on DSQL."""


class Worker:
    """Finishes index builds and validates constraints, in order of submission.

    A COMMIT with a job wakes the worker. It also polls every second: jobs of clients that died during COMMIT and jobs
    left by an earlier server process end as `completed` or `failed` too. If its connection breaks, it reconnects and
    restarts the job.

    The engine treats it like a client session, and suspends transactions that block it. `delay` is in seconds before
    each job: 0 by default, more for tests that need an unfinished job.
    """

    role = "postgres"
    region = ""
    label = "background job"
    transaction: Transaction | None = None
    ending: Ending | None = None
    backend: Backend

    def __init__(self, engine: Engine, connect: Callable[[], Awaitable[Backend]]) -> None:
        self.delay = 0.0
        self._engine = engine
        self._connect = connect
        self._work = asyncio.Event()
        self._tries: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and resume unfinished jobs."""
        self.backend = await self._connect()
        self._work.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop; unfinished jobs resume at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionLost):
                await self._task
        self.backend.close()

    def wake(self) -> None:
        """Announce a new job."""
        self._work.set()

    async def before_parking(self) -> None:
        """Never called: the worker has no transaction between statements."""

    async def after_resuming(self) -> None:
        """Never called."""

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
            self.backend = await self._connect()

    async def _next(self) -> tuple[str, str, str] | None:
        rows = await self.backend.rows(
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
            status, details = await (self._index(target) if kind == "INDEX_BUILD" else self._validate(target))
        except BackendError as error:
            self._tries[job_id] += 1
            if error.sqlstate in _PASSING and self._tries[job_id] < _MOST_TRIES:
                raise
            if await self._is_gone(target):
                status, details = "completed", DROPPED
            else:
                _log.info("job %s failed with SQLSTATE %s", job_id, error.sqlstate)
                status, details = "failed", error.fields.get("M")
        self._engine.catalog += 1
        self._engine.sequence += 1
        await self._note(job_id, status, details)

    async def _note(self, job_id: str, status: str, details: str | None = None) -> None:
        await self.backend.rows(
            f"UPDATE local_dsql.job SET status = {literal(status)}, details = {literal(details)},"
            f" update_time = clock_timestamp() WHERE job_id = {literal(job_id)}"
        )

    async def _is_gone(self, oid: str) -> bool:
        return not await self.backend.rows(
            f"SELECT FROM pg_catalog.pg_class WHERE oid = {oid}"
            f" UNION ALL SELECT FROM pg_catalog.pg_constraint WHERE oid = {oid}"
        )

    async def _index(self, oid: str) -> tuple[str, str | None]:
        """Mark an index valid, unless it is unique and there are duplicates."""
        rows = await self.backend.rows(_INDEX.format(oid=oid))
        if not rows:
            return "completed", DROPPED
        table, owner, unique, nulls, predicate, keys = rows[0]
        if unique == "t" and await self._has_duplicates(
            str(table), str(owner), str(keys).split("\1"), predicate, nulls == "t"
        ):
            return "failed", DUPLICATE_FOUND
        request = messages.query(
            "SET LOCAL allow_system_table_mods = on;"
            f" UPDATE pg_catalog.pg_index SET indisvalid = true WHERE indexrelid = {oid}"
        )
        async with self._engine.mutex:  # a concurrent DROP of the index would fail, not wait
            (answer,) = await ask(self._engine, self, request)
        answer.rows()
        return "completed", None

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
        found = await self.backend.rows(
            f"{_as_owner(owner)}SELECT {columns} FROM {table}{where}"
            f" GROUP BY {groups} HAVING pg_catalog.count(*) > 1 LIMIT 1"
        )
        return bool(found)

    async def _validate(self, oid: str) -> tuple[str, str | None]:
        rows = await self.backend.rows(
            "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_userbyid(relowner)"
            " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid"
            f" WHERE k.oid = {oid} AND NOT convalidated"
        )
        if not rows:
            return "completed", None
        table, name, owner = rows[0]
        request = messages.query(f"{_as_owner(str(owner))}ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
        async with self._engine.mutex:
            (answer,) = await ask(self._engine, self, request, exclusive=True)
        answer.rows()
        return "completed", None


def _as_owner(owner: str) -> str:
    """Return SQL that runs the rest of the text as the owner, with the search_path of its functions.

    A query string of several statements is one implicit transaction: after an error nothing has to be rolled back.
    """
    return f"SET LOCAL SESSION AUTHORIZATION {literal(owner)}; SET LOCAL search_path = public; "


_INDEX = """
SELECT i.indrelid::regclass::text,
  (SELECT pg_catalog.pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE oid = i.indrelid),
  i.indisunique, i.indnullsnotdistinct,
  pg_catalog.pg_get_expr(i.indpred, i.indrelid),
  (SELECT pg_catalog.string_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k, true), chr(1) ORDER BY k)
   FROM pg_catalog.generate_series(1, i.indnkeyatts) k)
FROM pg_catalog.pg_index i WHERE i.indexrelid = {oid}
"""
