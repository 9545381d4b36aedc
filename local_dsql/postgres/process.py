"""One PostgreSQL server process: started on a unix socket, gone when its parent is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from local_dsql.postgres import supervisor
from local_dsql.postgres.account import die_with_parent, entrance
from local_dsql.postgres.data_directory import ENVIRONMENT, DataDirectory
from local_dsql.postgres.diagnosis import failure
from local_dsql.postgres.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from local_dsql.postgres.account import Account
    from local_dsql.postgres.binaries import Binaries

PORT = 5432
"""Part of the socket's file name only; the folder of the socket is private to the server."""

SUPERUSER = "postgres"
HAS_DEATH_SIGNAL = sys.platform == "linux"
_POLL = 0.005
_SHUTDOWN_PATIENCE = 10.0


class Postgres:
    """A running PostgreSQL.

    The process ends when the *thread* that called `start` ends (the kernel's parent-death signal belongs to
    threads), so call it from one that lives as long as the database is needed, such as the main thread.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        data: DataDirectory,
        sockets: Path,
        port: int,
        log: Path,
        log_start: int,
    ) -> None:
        self._process = process
        self._data = data
        self._log = log
        self._log_start = log_start
        self.sockets = sockets
        self.port = port

    @classmethod
    def start(
        cls,
        binaries: Binaries,
        data: DataDirectory,
        *,
        sockets: Path,
        log: Path,
        account: Account,
        settings: Mapping[str, str] = SETTINGS,
        port: int = PORT,
        death_signal: bool = HAS_DEATH_SIGNAL,
    ) -> Postgres:
        """Start the server on an initialised data directory and return at once; see `wait_until_ready`.

        Args:
            binaries: programs to run.
            data: data directory that nobody else uses; it is healed first.
            sockets: existing folder for the unix socket; its path and 16 characters must fit an address.
            log: file that the server's messages are appended to.
            account: who PostgreSQL runs as.
            settings: configuration parameters.
            port: number in the socket's name; a TCP port only where the settings make it listen on one.
            death_signal: let the kernel end the server with this thread; else a supervisor process does.
        """
        data.heal(account)
        command: list[str | Path] = [binaries.postgres, "-D", data.path, "-k", sockets, "-p", str(port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if not death_signal:
            command = [sys.executable, "-I", supervisor.__file__, *command]
        with log.open("ab") as stream:
            log_start = stream.tell()
            process = subprocess.Popen(
                command,
                preexec_fn=_entrance(account, death_signal),
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL if death_signal else subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                start_new_session=True,  # Ctrl-C is for the server, which then stops the server in order
            )
        return cls(process, data, sockets, port, log, log_start)

    @property
    def socket(self) -> Path:
        """The unix socket of the server."""
        return self.sockets / f".s.PGSQL.{self.port}"

    @property
    def exit_code(self) -> int | None:
        """None while the process runs."""
        return self._process.poll()

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Return once the server accepts connections, usually in 30 ms; after a crash it repairs itself.

        Raises:
            PostgresError: the process ended, or the time (seconds) is over; with the last lines of its log.
        """
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            if self.exit_code is not None or time.monotonic() > deadline:
                self.stop()
                raise self.failure(f"PostgreSQL did not start on {self._data.path}")
            time.sleep(_POLL)

    def failure(self, what: str) -> Exception:
        """Return the error that tells how the process ended, with the last lines of its log."""
        with self._log.open("rb") as stream:
            stream.seek(self._log_start)
            output = stream.read()
        return failure(what, output.decode(errors="replace"), self.exit_code)

    def stop(self) -> None:
        """Shut down in order: connections are cut, data is written; a server that hangs is killed."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self.exit_code is not None:
                break
            self._process.send_signal(number)
            try:
                self._process.wait(_SHUTDOWN_PATIENCE)
            except subprocess.TimeoutExpired:
                continue
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _is_ready(self) -> bool:
        """Whether the server wrote `ready` on the eighth line of its lock file, as it does for pg_ctl."""
        try:
            lines = self._data.lock_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"


def _entrance(account: Account, death_signal: bool) -> Callable[[], None]:
    """What the child does between fork and exec."""
    parent = os.getpid()

    def then() -> None:
        if death_signal:
            die_with_parent(parent)

    return entrance(account, then)
