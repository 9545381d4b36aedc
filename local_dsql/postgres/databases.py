"""The live database, the template it is copied from, and a spare that becomes the next live one.

The catalog scripts run once, in a new database that then becomes the template of all others. A reset drops the live
database and the roles created since, because roles belong to no database.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from blocks_runtime.contract import DATABASE
from local_dsql.postgres.build_record import BuildRecord, catalog_digest
from local_dsql.postgres.errors import refusal_error
from local_dsql.postgres.process import PORT, SUPERUSER
from local_dsql.wire.backend import Backend
from local_dsql.wire.response import BackendError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

LIVE = DATABASE
PRISTINE = "pristine"
SPARE = "spare"
_MAINTENANCE = "template1"
"""Database to connect to while the others are replaced."""

_TAKE_OVER_PRIVILEGES = (
    "UPDATE pg_database copy SET datdba = original.datdba, datacl = original.datacl "
    "FROM pg_database original WHERE original.datname = 'pristine' AND copy.datname = '{name}'"
)
_LATER_ROLES = "SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE oid NOT IN ({known})"
_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    f"WHERE datname = '{LIVE}' AND pid <> pg_backend_pid()"
)
_POLL = 0.002


class Databases:
    """The databases of a running PostgreSQL; `sockets` is the folder of its unix socket.

    Every method raises PostgresError with PostgreSQL's message if a statement fails.
    """

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets

    async def build(self, scripts: Sequence[Path]) -> BuildRecord:
        """Run the catalog scripts in a new data directory and create the live database from the result."""
        async with self._connection(LIVE) as live:
            for script in scripts:
                await _run_script(live, script)
        async with self._connection(_MAINTENANCE) as maintenance:
            await _end_sessions(maintenance)
            await maintenance.rows(f"ALTER DATABASE {LIVE} RENAME TO {PRISTINE}")
            await maintenance.rows(f"ALTER DATABASE {PRISTINE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
            await _make_live(maintenance)
            rows = await maintenance.rows("SELECT oid FROM pg_roles ORDER BY oid")
        return BuildRecord(catalog_digest(scripts), tuple(int(oid) for (oid,) in rows if oid is not None))

    async def ensure_live(self) -> None:
        """Create the live database if a kill during a reset left none, or an invalid one."""
        async with self._connection(_MAINTENANCE) as maintenance:
            if not await _exists(maintenance, LIVE):
                await maintenance.rows(f"DROP DATABASE IF EXISTS {LIVE}")
                await _make_live(maintenance)

    async def recreate(self, built: BuildRecord) -> None:
        """Replace the live database by a copy of the template and drop all later roles; sessions are terminated."""
        async with self._connection(_MAINTENANCE) as maintenance:
            await _end_sessions(maintenance)
            await maintenance.rows(f"DROP DATABASE IF EXISTS {LIVE} WITH (FORCE)")
            known = ", ".join(map(str, built.roles))
            ((later,),) = await maintenance.rows(_LATER_ROLES.format(known=known))
            if later is not None:
                await maintenance.rows(f"DROP ROLE {later}")
            await _make_live(maintenance)

    async def prepare_spare(self) -> None:
        """Copy the template for the next reset; the copy takes most of the time of a reset."""
        async with self._connection(_MAINTENANCE) as maintenance:
            if not await _exists(maintenance, SPARE):
                await _copy_pristine(maintenance, SPARE)

    @contextlib.asynccontextmanager
    async def _connection(self, database: str) -> AsyncIterator[Backend]:
        backend = None
        try:
            backend = await Backend.connect(self._sockets, PORT, {"user": SUPERUSER, "database": database})
            yield backend
        except BackendError as error:
            raise refusal_error(
                "PostgreSQL could not create the database",
                str(error),
                "try again; if that fails too, remove the folder and start with an empty database",
            ) from None
        finally:
            if backend is not None:
                backend.close()


async def _run_script(live: Backend, script: Path) -> None:
    try:
        await live.rows(script.read_text(encoding="utf-8"))
    except BackendError as error:
        raise refusal_error(
            f"cannot build the database: {script.name} failed",
            str(error),
            "reinstall the package; its catalog does not fit this PostgreSQL",
        ) from None


async def _make_live(maintenance: Backend) -> None:
    if await _exists(maintenance, SPARE):
        await maintenance.rows(f"ALTER DATABASE {SPARE} RENAME TO {LIVE}")
    else:
        await _copy_pristine(maintenance, LIVE)


async def _copy_pristine(maintenance: Backend, name: str) -> None:
    """Copy the template, and then owner and privileges, which CREATE DATABASE does not copy."""
    await maintenance.rows(f"CREATE DATABASE {name} TEMPLATE {PRISTINE} STRATEGY file_copy")
    await maintenance.rows(_TAKE_OVER_PRIVILEGES.format(name=name))


async def _exists(maintenance: Backend, name: str) -> bool:
    """Return whether a valid database has this name; an interrupted DROP leaves an invalid one with datconnlimit -2."""
    return bool(
        await maintenance.rows(f"SELECT FROM pg_database WHERE datname = '{name}' AND datconnlimit <> -2")
    )


async def _end_sessions(maintenance: Backend) -> None:
    """Terminate all sessions and wait for their end; DROP DATABASE would poll only every 100 ms."""
    while await maintenance.rows(_END_SESSIONS):
        await asyncio.sleep(_POLL)
