"""The PostgreSQL of one folder: built on the first start, repaired on later ones, reset on request.

PostgreSQL takes a while to start, so modules that are needed only afterwards are imported meanwhile.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from local_dsql import catalog
from local_dsql.postgres import DataDirectory, Postgres, choose_account, find_binaries
from local_dsql.postgres.build_record import BuildRecord, damaged_build_record
from local_dsql.postgres.sockets import make_socket_directory, remove_socket_directory
from local_dsql.server.cluster_record import ClusterRecord
from local_dsql.storage.folder import unusable_folder

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine
    from typing import TypeVar

    from local_dsql.storage.folder import Folder

    T = TypeVar("T")

log = logging.getLogger(__name__)


class Instance:
    """The PostgreSQL of a folder; its process holds the server lock of the folder.

    Attributes:
        sockets: folder of PostgreSQL's unix socket and of the control socket.
        data_directory: PostgreSQL's data directory.
    """

    def __init__(self, folder: Folder) -> None:
        """Start PostgreSQL, after initialising it if necessary, and return before it is ready.

        Raises:
            LocalDatabaseError: PostgreSQL 16 is missing or fails, or the folder cannot be used.
        """
        self._folder = folder
        account = choose_account()
        binaries = account.binaries(find_binaries(), folder.binaries_copy)
        self.data_directory = folder.data
        data = DataDirectory(folder.data)
        self._build_record = BuildRecord.load(folder.built_file)
        if self._build_record is None or not data.path.exists():
            self._build_record = None
            _forget_former(folder)
            data.create(binaries, account)
        else:
            self._build_record.check(catalog.scripts(), folder.path)
        try:
            self.sockets = make_socket_directory(folder.sockets)
            account.own(self.sockets)
            folder.postgres_log.unlink(missing_ok=True)
            folder.postgres_log.touch(mode=0o600)
        except OSError as error:
            raise unusable_folder(folder.path, error) from None
        self._spare: asyncio.Task[None] | None = None
        self._postgres = Postgres.start(
            binaries, data, sockets=self.sockets, log=folder.postgres_log, account=account
        )
        from local_dsql.postgres.databases import Databases

        self._databases = Databases(self.sockets)

    def wait_until_ready(self) -> None:
        """Wait until PostgreSQL accepts connections.

        Raises:
            PostgresError: it did not start.
        """
        self._postgres.wait_until_ready()

    async def open(self) -> None:
        """Ensure that the live database exists: build it on the first start, repair it after a kill.

        Raises:
            LocalDatabaseError: a catalog script fails, or the folder cannot be written.
        """
        from local_dsql.wire.backend import ConnectionLost

        if self._build_record is not None:
            await self._databases.ensure_live()
            return
        try:
            built = await self._databases.build(catalog.scripts())
        except ConnectionLost:
            raise self.failure() from None
        try:
            built.save(self._folder.built_file)
        except OSError as error:
            raise unusable_folder(self._folder.path, error) from None
        self._build_record = built

    @property
    def is_running(self) -> bool:
        """True if PostgreSQL is running."""
        return self._postgres.exit_code is None

    def failure(self) -> Exception:
        """Return the error for an unexpected end of PostgreSQL."""
        return self._postgres.failure(f"the PostgreSQL of {self._folder.path} has stopped")

    async def reset(self) -> None:
        """Empty the live database, and drop all snapshots and all roles created since the first start.

        Resets come in series, so the next live database is copied in the background.

        Raises:
            PostgresError: PostgreSQL fails; with its message.
        """
        assert self._build_record is not None
        await self._replace(self._databases.recreate(self._build_record))

    async def save_snapshot(self, name: str) -> None:
        """Keep the live database as a snapshot, instead of an older one; errors as `reset`."""
        await self._replace(self._databases.save_snapshot(name))

    async def restore_snapshot(self, name: str) -> bool:
        """Replace the live database by a copy of a snapshot, and return whether there was one; errors as `reset`."""
        return await self._replace(self._databases.restore_snapshot(name))

    def counts_changes(self, name: str) -> bool:
        """Return whether `undo_changes` may restore the snapshot."""
        return self._databases.counts_changes(name)

    async def undo_changes(self) -> bool:
        """Restore the snapshot of `counts_changes` while the engine goes on, and return whether that was possible.

        Errors as `reset`.
        """
        from local_dsql.wire.backend import ConnectionLost

        try:
            return await self._databases.undo_changes()
        except ConnectionLost:
            raise self.failure() from None

    async def _replace(self, replacement: Coroutine[None, None, T]) -> T:
        import asyncio

        from local_dsql.wire.backend import ConnectionLost

        await self.settle()
        try:
            result = await replacement
        except ConnectionLost:
            raise self.failure() from None
        self._spare = asyncio.create_task(self._databases.prepare_spare())
        return result

    async def settle(self) -> None:
        """Wait for background work, and end the connection for undoing changes."""
        self._databases.stop_counting()
        if self._spare is not None:
            import asyncio

            spare, self._spare = self._spare, None
            await asyncio.wait([spare])
            if error := spare.exception():
                log.warning("the spare database could not be created: %s", error)

    def stop(self) -> None:
        """Shut PostgreSQL down and remove its sockets."""
        self._postgres.stop()
        remove_socket_directory(self._folder.sockets)


def _forget_former(folder: Folder) -> None:
    """Remove the records of a database whose data is gone: the new one is another cluster.

    Raises:
        FolderError: there is data that was in use; the record of its build is missing.
    """
    served = bool(ClusterRecord.ports_of(folder))
    if served and (folder.data / "PG_VERSION").exists():
        raise damaged_build_record(folder.built_file, "the file is missing")
    for file in (folder.built_file, *([folder.record_file] if served else [])):
        file.unlink(missing_ok=True)
