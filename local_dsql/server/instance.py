"""The PostgreSQL of one folder: made on the first start, repaired on the next, reset in one step.

PostgreSQL needs a moment to start. What is needed only afterwards is therefore imported when it is on its way.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from local_dsql import catalog
from local_dsql.postgres import DataDirectory, Postgres, choose_account, find_binaries
from local_dsql.postgres.built import Built
from local_dsql.postgres.sockets import make_socket_directory, remove_socket_directory
from local_dsql.storage.folder import unusable

if TYPE_CHECKING:
    import asyncio

    from local_dsql.storage.folder import Folder

log = logging.getLogger(__name__)


class Instance:
    """PostgreSQL serving a folder; whoever makes one holds the folder's server lock.

    Attributes:
        sockets: folder of PostgreSQL's unix socket, with room for one of ours.
    """

    def __init__(self, folder: Folder) -> None:
        """Start PostgreSQL, from nothing where need be, and return before it is ready.

        Raises:
            LocalDatabaseError: there is no PostgreSQL 16, it refuses, or the folder cannot be used.
        """
        self._folder = folder
        account = choose_account()
        binaries = account.binaries(find_binaries(), folder.binaries_copy)
        data = DataDirectory(folder.data)
        self._built = Built.load(folder.built_file)
        if self._built is None or not data.path.exists():
            folder.built_file.unlink(missing_ok=True)
            self._built = None
            data.initialise(binaries, account)
        else:
            self._built.check(catalog.scripts(), folder.path)
        try:
            self.sockets = make_socket_directory(folder.sockets)
            account.own(self.sockets)
            folder.postgres_log.unlink(missing_ok=True)
            folder.postgres_log.touch(mode=0o600)
        except OSError as error:
            raise unusable(folder.path, error) from None
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
        """See to it that the live database is there: built on the first start, repaired after a kill.

        Raises:
            LocalDatabaseError: the catalog is refused, or the folder cannot be written.
        """
        from local_dsql.wire.backend import ConnectionLost

        if self._built is not None:
            await self._databases.ensure_live()
            return
        try:
            built = await self._databases.build(catalog.scripts())
        except ConnectionLost:
            raise self.failure() from None
        try:
            built.save(self._folder.built_file)
        except OSError as error:
            raise unusable(self._folder.path, error) from None
        self._built = built

    @property
    def is_running(self) -> bool:
        """Whether PostgreSQL still runs."""
        return self._postgres.exit_code is None

    def failure(self) -> Exception:
        """Return the error that says how PostgreSQL ended by itself."""
        return self._postgres.failure(f"the PostgreSQL of {self._folder.path} has stopped")

    async def reset(self) -> None:
        """Empty the live database, and drop every role that was made since the first start.

        Who resets once resets again: the next live database is made ready in the background.

        Raises:
            PostgresError: PostgreSQL refuses or breaks down, with its words.
        """
        import asyncio

        from local_dsql.wire.backend import ConnectionLost

        assert self._built is not None
        await self.settle()
        try:
            await self._databases.recreate(self._built)
        except ConnectionLost:
            raise self.failure() from None
        self._spare = asyncio.create_task(self._databases.prepare_spare())

    async def settle(self) -> None:
        """Wait for what runs in the background."""
        if self._spare is not None:
            import asyncio

            spare, self._spare = self._spare, None
            await asyncio.wait([spare])
            if error := spare.exception():
                log.warning("no spare database could be made: %s", error)

    def stop(self) -> None:
        """Shut PostgreSQL down and remove its sockets."""
        self._postgres.stop()
        remove_socket_directory(self._folder.sockets)
