"""A PostgreSQL server process on a unix socket, which ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from local_dsql.postgres import supervisor
from local_dsql.postgres.account import child_setup, die_with_parent
from local_dsql.postgres.data_directory import ENVIRONMENT, DataDirectory
from local_dsql.postgres.errors import exit_error, full_disk
from local_dsql.postgres.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from local_dsql.postgres.account import Account
    from local_dsql.postgres.binaries import Binaries

PORT = 5432
"""Part of the socket's file name; the folder of the socket is private to the server."""

SUPERUSER = "postgres"
HAS_DEATH_SIGNAL = sys.platform == "linux"
_POLL = 0.005
_SHUTDOWN_TIMEOUT = 10.0


class Postgres:
    """A running PostgreSQL.

    The process ends when the *thread* that called `start` ends, because the kernel's parent-death signal belongs to
    threads. Call `start` from a thread that lives as long as the database, such as the main thread.
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
            data: data directory, not in use; it is repaired first.
            sockets: existing folder for the unix socket; its path plus 16 characters must fit a socket address.
            log: file to append the server's messages to.
            account: account that PostgreSQL runs as.
            settings: configuration parameters.
            port: number in the socket's name; also the TCP port if the settings enable TCP.
            death_signal: let the kernel end the server with this thread; otherwise a supervisor process does.
        """
        data.repair(account)
        command: list[str | Path] = [binaries.postgres, "-D", data.path, "-k", sockets, "-p", str(port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if not death_signal:
            command = [sys.executable, "-I", supervisor.__file__, *command]
        with log.open("ab") as stream:
            log_start = stream.tell()
            process = subprocess.Popen(
                command,
                preexec_fn=_child_setup(account, death_signal),
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL if death_signal else subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                start_new_session=True,  # Ctrl-C goes to the server process only, which then shuts PostgreSQL down
            )
        return cls(process, data, sockets, port, log, log_start)

    @property
    def socket(self) -> Path:
        """The unix socket of the server."""
        return self.sockets / f".s.PGSQL.{self.port}"

    @property
    def exit_code(self) -> int | None:
        """Exit code, None while the process runs."""
        return self._process.poll()

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Return once the server accepts connections, usually in 30 ms; later after a crash, due to recovery.

        Raises:
            PostgresError: the process ended, or the timeout (seconds) passed; with the last lines of its log.
        """
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            if self.exit_code is not None or time.monotonic() > deadline:
                self.stop()
                raise self.failure(f"PostgreSQL did not start on {self._data.path}")
            time.sleep(_POLL)

    def failure(self, what: str) -> Exception:
        """Return the error for the end of the process, with the last lines of its log."""
        with self._log.open("rb") as stream:
            stream.seek(self._log_start)
            output = stream.read()
        words = [output.decode(errors="replace"), full_disk(self._data.path) or ""]
        return exit_error(what, "\n".join(words), self.exit_code)

    def stop(self) -> None:
        """Fast shutdown: disconnect clients, write data; kill a server that hangs."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self.exit_code is not None:
                break
            self._process.send_signal(number)
            try:
                self._process.wait(_SHUTDOWN_TIMEOUT)
            except subprocess.TimeoutExpired:
                continue
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _is_ready(self) -> bool:
        """Return whether the eighth line of the lock file is `ready`, which the server writes for pg_ctl."""
        try:
            lines = self._data.lock_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"


def _child_setup(account: Account, death_signal: bool) -> Callable[[], None]:
    """Return the function for the child process between fork and exec."""
    parent = os.getpid()

    def then() -> None:
        if death_signal:
            die_with_parent(parent)

    return child_setup(account, then)
