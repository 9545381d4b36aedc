"""The live database, the templates it is copied from, and a spare that becomes the next live one.

The catalog scripts run once, in a new database that then becomes the template `pristine`. A reset drops the live
database and the roles created since, because roles belong to no database. A snapshot is a second template: the live
database at one moment, with the roles that existed then.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blocks_runtime.contract import DATABASE
from local_dsql.postgres.build_record import BuildRecord, catalog_digest
from local_dsql.postgres.errors import refusal_error
from local_dsql.postgres.process import PORT, SUPERUSER
from local_dsql.postgres.undo import Contents, forget_changes, remove_files, save_contents, undo_changes
from local_dsql.wire.backend import Backend
from local_dsql.wire.response import BackendError
from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

LIVE = DATABASE
PRISTINE = "pristine"
_SPARE = "spare_of_"
_SNAPSHOT = "snapshot_"
_FORMAT = 1
"""Of the record that a snapshot has as its comment; a snapshot with another one is made anew."""
_MAINTENANCE = "template1"
"""Database to connect to while the others are replaced."""

_TAKE_OVER_PRIVILEGES = (
    "UPDATE pg_database copy SET datdba = original.datdba, datacl = original.datacl "
    "FROM pg_database original WHERE original.datname = '{template}' AND copy.datname = '{name}'"
)
_LATER_ROLES = "SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE oid NOT IN ({known})"
# Roles, their memberships and settings are shared by all databases, so a copied database cannot bring them back.
_ROLES = """SELECT coalesce(string_agg(oid::text, ','), ''), md5(string_agg(facts, E'\\n' ORDER BY facts)) FROM (
SELECT oid, row(rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit)::text AS facts
FROM pg_authid UNION ALL SELECT NULL, row('member', roleid, member, admin_option, inherit_option, set_option)::text
FROM pg_auth_members UNION ALL SELECT NULL, row('setting', setrole, setconfig)::text FROM pg_db_role_setting
WHERE setdatabase = 0) AS shared"""
_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    f"WHERE datname = '{LIVE}' AND pid <> pg_backend_pid()"
)
# Called before each test, so without the joins of pg_stat_activity.
_END_CLIENTS = f"""SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity(NULL)
WHERE datid = (SELECT oid FROM pg_database WHERE datname = '{LIVE}') AND (usesysid IS NULL OR usesysid NOT IN
(SELECT oid FROM pg_roles WHERE rolname IN ('{SUPERUSER}', 'local_dsql_control')))"""
_POLL = 0.002


@dataclass(frozen=True, slots=True)
class _Counted:
    """The live database as a copy of a snapshot, with the changes of rows since then counted by PostgreSQL.

    The connection is kept, because a new one has cold caches: its queries take three times as long.
    """

    template: str
    record: Mapping[str, Any]
    live: Backend


class Databases:
    """The databases of a running PostgreSQL; `sockets` is the folder of its unix socket.

    Every method raises PostgresError with PostgreSQL's message if a statement fails.
    """

    def __init__(self, sockets: Path) -> None:
        self._sockets = sockets
        self._counted: _Counted | None = None

    async def build(self, scripts: Sequence[Path]) -> BuildRecord:
        """Run the catalog scripts in a new data directory and create the live database from the result."""
        async with self._connection(LIVE) as live:
            for script in scripts:
                await _run_script(live, script)
        async with self._connection(_MAINTENANCE) as maintenance:
            await _end_sessions(maintenance)
            await maintenance.rows(f"ALTER DATABASE {LIVE} RENAME TO {PRISTINE}")
            await maintenance.rows(f"ALTER DATABASE {PRISTINE} IS_TEMPLATE true ALLOW_CONNECTIONS false")
            await _make_live(maintenance, PRISTINE)
            rows = await maintenance.rows("SELECT oid FROM pg_roles ORDER BY oid")
        return BuildRecord(catalog_digest(scripts), tuple(int(oid) for (oid,) in rows if oid is not None))

    async def ensure_live(self) -> None:
        """Create the live database if a kill during a reset left none, or an invalid one."""
        async with self._connection(_MAINTENANCE) as maintenance:
            if not await _exists(maintenance, LIVE):
                await maintenance.rows(f"DROP DATABASE IF EXISTS {LIVE}")
                await _make_live(maintenance, PRISTINE)

    async def recreate(self, built: BuildRecord) -> None:
        """Replace the live database by a copy of `pristine`; drop all snapshots and later roles. Sessions end."""
        self.stop_counting()
        async with self._connection(_MAINTENANCE) as maintenance:
            for snapshot in await _names(maintenance, _SNAPSHOT):
                await _drop_template(maintenance, snapshot)
            await _drop_live(maintenance)
            await _drop_roles(maintenance, built.roles)
            await _make_live(maintenance, PRISTINE)

    async def save_snapshot(self, name: str) -> None:
        """Copy the live database into a template with this name, the only one; sessions end."""
        template = _snapshot_template(name)
        self.stop_counting()
        async with self._connection(_MAINTENANCE) as maintenance:
            for older in await _names(maintenance, _SNAPSHOT):
                await _drop_template(maintenance, older)
            await _end_sessions(maintenance)
            async with self._connection(LIVE) as live:
                contents = await save_contents(live, template)
            await _end_sessions(maintenance)
            ((roles, digest),) = await maintenance.rows(_ROLES)
            await _copy(maintenance, LIVE, template)
            await maintenance.rows(f"ALTER DATABASE {template} IS_TEMPLATE true ALLOW_CONNECTIONS false")
            oids = [int(oid) for oid in (roles or "").split(",")]
            record = {"format": _FORMAT, "roles": oids, "digest": digest, "contents": contents.document()}
            await maintenance.rows(  # the record makes the snapshot complete
                f"COMMENT ON DATABASE {template} IS {literal(json.dumps(record))}"
            )
        await self._count_from_here(template, record)

    async def restore_snapshot(self, name: str) -> bool:
        """Give the live database the content of the snapshot, drop later roles, and return True; sessions end.

        Return False, with an empty database, if the roles are no longer those of the snapshot; and with an unchanged
        one if there is no such snapshot.
        """
        template = _snapshot_template(name)
        self.stop_counting()
        async with self._connection(_MAINTENANCE) as maintenance:
            record = await _record(maintenance, template)
            if record is None:
                return False
            await _drop_live(maintenance)
            same = await _restore_roles(maintenance, record)
            await _make_live(maintenance, template if same else PRISTINE)
        if same:
            await self._count_from_here(template, record)
        return same

    def counts_changes(self, name: str) -> bool:
        """Return whether the live database is a copy of the snapshot and all its changes since are counted."""
        return self._counted is not None and self._counted.template == _snapshot_template(name)

    async def undo_changes(self) -> bool:
        """Undo the changes of rows and the new roles, and return whether that is all that has changed.

        Only while `counts_changes`. Sessions of clients end, those of the engine and of jobs go on.
        """
        counted, self._counted = self._counted, None
        assert counted is not None
        live = counted.live
        try:
            with _explained():
                await _end_sessions(live, _END_CLIENTS)
                if not await undo_changes(live, counted.template, Contents.read(counted.record["contents"])):
                    return False
                if not await _restore_roles(live, counted.record):
                    return False
                await forget_changes(live)
            self._counted = counted
        finally:
            if self._counted is None:
                live.close()
        return True

    async def _count_from_here(self, template: str, record: Mapping[str, Any]) -> None:
        with _explained():
            live = await self._connect(LIVE)
            await forget_changes(live)
        self._counted = _Counted(template, record, live)

    def stop_counting(self) -> None:
        """Forget what the live database is a copy of, and end the connection for the undo."""
        counted, self._counted = self._counted, None
        if counted is not None:
            counted.live.close()

    async def prepare_spare(self) -> None:
        """Copy the template of the next reset or restore; the copy takes most of its time."""
        async with self._connection(_MAINTENANCE) as maintenance:
            snapshots = await _names(maintenance, _SNAPSHOT)
            template = snapshots[0] if snapshots else PRISTINE
            for spare in await _names(maintenance, _SPARE):
                if spare != _SPARE + template:
                    await maintenance.rows(f"DROP DATABASE {spare}")
            if not await _exists(maintenance, _SPARE + template):
                await _copy(maintenance, template, _SPARE + template)

    @contextlib.asynccontextmanager
    async def _connection(self, database: str) -> AsyncIterator[Backend]:
        with _explained():
            backend = await self._connect(database)
            try:
                yield backend
            finally:
                backend.close()

    async def _connect(self, database: str) -> Backend:
        return await Backend.connect(self._sockets, PORT, {"user": SUPERUSER, "database": database})


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Raise PostgresError for a statement that PostgreSQL refused."""
    try:
        yield
    except BackendError as error:
        raise refusal_error(
            "PostgreSQL could not create the database",
            str(error),
            "try again; if that fails too, remove the folder and start with an empty database",
        ) from None


async def _run_script(live: Backend, script: Path) -> None:
    try:
        await live.rows(script.read_text(encoding="utf-8"))
    except BackendError as error:
        raise refusal_error(
            f"cannot build the database: {script.name} failed",
            str(error),
            "reinstall the package; its catalog does not fit this PostgreSQL",
        ) from None


async def _drop_live(maintenance: Backend) -> None:
    await _end_sessions(maintenance)
    await maintenance.rows(f"DROP DATABASE IF EXISTS {LIVE} WITH (FORCE)")


async def _drop_roles(maintenance: Backend, known: Sequence[int]) -> None:
    """Drop all roles but those with the OIDs `known`."""
    ((later,),) = await maintenance.rows(_LATER_ROLES.format(known=", ".join(map(str, known))))
    if later is not None:
        await maintenance.rows(f"DROP ROLE {later}")


async def _restore_roles(maintenance: Backend, record: Mapping[str, Any]) -> bool:
    """Drop the roles that the snapshot does not have, and return whether its own are as they were."""
    if await _roles_are_those_of(maintenance, record):
        return True
    await _drop_roles(maintenance, record["roles"])
    return await _roles_are_those_of(maintenance, record)


async def _roles_are_those_of(maintenance: Backend, record: Mapping[str, Any]) -> bool:
    ((_, digest),) = await maintenance.rows(_ROLES)
    return bool(digest == record["digest"])


async def _record(maintenance: Backend, template: str) -> dict[str, Any] | None:
    """Return the record of a complete snapshot, None if there is none."""
    found = await maintenance.rows(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database "
        f"WHERE datname = '{template}' AND datconnlimit <> -2"
    )
    record = json.loads(found[0][0]) if found and found[0][0] is not None else {}
    return record if record.get("format") == _FORMAT else None


async def _make_live(maintenance: Backend, template: str) -> None:
    if await _exists(maintenance, _SPARE + template):
        await maintenance.rows(f"ALTER DATABASE {_SPARE}{template} RENAME TO {LIVE}")
    else:
        await _copy(maintenance, template, LIVE)


async def _copy(maintenance: Backend, template: str, name: str) -> None:
    """Copy a template, and then owner and privileges, which CREATE DATABASE does not copy."""
    await maintenance.rows(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    await maintenance.rows(_TAKE_OVER_PRIVILEGES.format(template=template, name=name))


async def _drop_template(maintenance: Backend, template: str) -> None:
    await maintenance.rows(f"DROP DATABASE IF EXISTS {_SPARE}{template}")
    await maintenance.rows(f"ALTER DATABASE {template} IS_TEMPLATE false")
    await maintenance.rows(f"DROP DATABASE {template}")
    await remove_files(maintenance, template)


def _snapshot_template(name: str) -> str:
    return _SNAPSHOT + hashlib.sha256(name.encode()).hexdigest()[:16]


async def _names(maintenance: Backend, prefix: str) -> list[str]:
    """Return the names of the databases that begin with `prefix`, valid ones and others."""
    rows = await maintenance.rows(f"SELECT datname FROM pg_database WHERE starts_with(datname, '{prefix}')")
    return [name for (name,) in rows if name is not None]


async def _exists(maintenance: Backend, name: str) -> bool:
    """Return whether a valid database has this name; an interrupted DROP leaves an invalid one with datconnlimit -2."""
    return bool(
        await maintenance.rows(f"SELECT FROM pg_database WHERE datname = '{name}' AND datconnlimit <> -2")
    )


async def _end_sessions(maintenance: Backend, which: str = _END_SESSIONS) -> None:
    """Terminate sessions and wait for their end; DROP DATABASE would poll only every 100 ms."""
    while await maintenance.rows(which):
        await asyncio.sleep(_POLL)
