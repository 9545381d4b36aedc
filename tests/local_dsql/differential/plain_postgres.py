"""A plain PostgreSQL 16, started directly, without a proxy before it."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from local_dsql.postgres import SUPERUSER, DataDirectory, Postgres, choose_account, find_binaries
from local_dsql.postgres.settings import SETTINGS
from tests.local_dsql.differential.wire_session import WireSession

if TYPE_CHECKING:
    from collections.abc import Callable


class PlainPostgres:
    """A server on a unix socket; `connect` gives a session of its superuser."""

    def __init__(self, **settings: str) -> None:
        """Create and start it; `settings` replace those of this class."""
        # A short path: the address of a unix socket holds about 100 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="plain-"))
        self._folder.chmod(0o755)
        account = choose_account()
        binaries = account.binaries(find_binaries(), self._folder / "postgres")
        data = DataDirectory(self._folder / "data")
        data.create(binaries, account)
        sockets = self._folder / "sockets"
        sockets.mkdir()
        account.own(sockets)
        self._start: Callable[[], Postgres] = partial(
            Postgres.start,
            binaries,
            data,
            sockets=sockets,
            log=self._folder / "log",
            account=account,
            settings=SETTINGS | {"synchronous_commit": "off", "autovacuum": "off"} | settings,
        )
        self._postgres = self._start()
        self._postgres.wait_until_ready()
        self.dsn = f"host={sockets} port={self._postgres.port} user={SUPERUSER} dbname=postgres"

    def connect(self) -> WireSession:
        """Open a session."""
        return WireSession(self.dsn)

    @property
    def pid(self) -> int:
        """The id of the postmaster."""
        return int((self._folder / "data" / "postmaster.pid").read_text("utf-8").split()[0])

    def start_again(self) -> None:
        """Start it after its processes were killed."""
        self._postgres.stop()  # the rest of the killed one, such as its pipe
        self._postgres = self._start()
        self._postgres.wait_until_ready()

    def close(self) -> None:
        """Stop the server and remove its data."""
        self._postgres.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
