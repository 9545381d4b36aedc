"""The live database, the pristine one that it is made from, and a spare that becomes the next live one.

The catalog of the proxy is run once, in a new database which then becomes the template of all others. A reset
drops the live database, and the roles that came later, since roles belong to no database.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from local_dsql.postgres.built import Built, catalog_digest
from local_dsql.postgres.diagnosis import refused
from local_dsql.postgres.process import PORT, SUPERUSER
from local_dsql.wire.backend import Backend
from local_dsql.wire.response import BackendError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

LIVE = "postgres"
PRISTINE = "pristine"
SPARE = "spare"
_MAINTENANCE = "template1"
"""The database to be connected to while the others are replaced."""

_TAKE_OVER_PRIVILEGES = (
    "UPDATE pg_database copy SET datdba = original.datdba, datacl = original.datacl "
    "FROM pg_database original WHERE original.datname = 'pristine' AND copy.datname = '{name}'"
)
_LATER_ROLES = "SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE oid NOT IN ({known})"
_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = 'postgres' AND pid <> pg_backend_pid()"
)
_POLL = 0.002


class Databases:
    """The databases of a running PostgreSQL; `sockets` is the folder of its unix socket.

    Every method raises PostgresError with PostgreSQL's words where it refuses.
    """

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets

    async def build(self, scripts: Sequence[Path]) -> Built:
        """Run the catalog's scripts in a fresh data directory and make the live database from the result."""
        async with self._connection(LIVE) as live:
            for script in scripts:
                await _run_script(live, script)
        async with self._connection(_MAINTENANCE) as maintenance:
            await _end_sessions(maintenance)
            await maintenance.rows(f"ALTER DATABASE {LIVE} RENAME TO {PRISTINE}")
            await maintenance.rows(f"ALTER DATABASE {PRISTINE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
            await _make_live(maintenance)
            rows = await maintenance.rows("SELECT oid FROM pg_roles ORDER BY oid")
        return Built(catalog_digest(scripts), tuple(int(oid) for (oid,) in rows if oid is not None))

    async def ensure_live(self) -> None:
        """Make the live database where a kill in the middle of a reset left none, or half of one."""
        async with self._connection(_MAINTENANCE) as maintenance:
            if not await _exists(maintenance, LIVE):
                await maintenance.rows(f"DROP DATABASE IF EXISTS {LIVE}")
                await _make_live(maintenance)

    async def recreate(self, built: Built) -> None:
        """Replace the live database by a pristine one and drop every later role; open sessions are cut."""
        async with self._connection(_MAINTENANCE) as maintenance:
            await _end_sessions(maintenance)
            await maintenance.rows(f"DROP DATABASE IF EXISTS {LIVE} WITH (FORCE)")
            known = ", ".join(map(str, built.roles))
            ((later,),) = await maintenance.rows(_LATER_ROLES.format(known=known))
            if later is not None:
                await maintenance.rows(f"DROP ROLE {later}")
            await _make_live(maintenance)

    async def prepare_spare(self) -> None:
        """Have the next live database ready; that takes longer than all the rest of a reset."""
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
            raise refused(
                "PostgreSQL could not make the database",
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
        raise refused(
            f"cannot build the database: {script.name} is refused",
            str(error),
            "reinstall the package; its catalog does not fit this PostgreSQL",
        ) from None


async def _make_live(maintenance: Backend) -> None:
    if await _exists(maintenance, SPARE):
        await maintenance.rows(f"ALTER DATABASE {SPARE} RENAME TO {LIVE}")
    else:
        await _copy_pristine(maintenance, LIVE)


async def _copy_pristine(maintenance: Backend, name: str) -> None:
    """CREATE DATABASE copies everything but the privileges on the database itself: take those over, too."""
    await maintenance.rows(f"CREATE DATABASE {name} TEMPLATE {PRISTINE} STRATEGY file_copy")
    await maintenance.rows(_TAKE_OVER_PRIVILEGES.format(name=name))


async def _exists(maintenance: Backend, name: str) -> bool:
    """Tell whether there is such a database; one whose DROP was cut short has the limit -2 and is none."""
    return bool(
        await maintenance.rows(f"SELECT FROM pg_database WHERE datname = '{name}' AND datconnlimit <> -2")
    )


async def _end_sessions(maintenance: Backend) -> None:
    """Wait for the last session to be gone: DROP DATABASE itself looks again only after 100 ms."""
    while await maintenance.rows(_END_SESSIONS):
        await asyncio.sleep(_POLL)
