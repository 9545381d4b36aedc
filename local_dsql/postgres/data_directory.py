"""The data directory of PostgreSQL: created once, repaired after a crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_dsql.errors import PostgresError
from local_dsql.postgres.account import child_setup
from local_dsql.postgres.errors import exit_error
from local_dsql.postgres.kept_directory import KeptDirectory
from local_dsql.postgres.settings import INITDB_OPTIONS

if TYPE_CHECKING:
    from local_dsql.postgres.account import Account
    from local_dsql.postgres.binaries import Binaries

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
"""The complete environment of PostgreSQL's programs, without the user's PG… variables."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A PostgreSQL data directory of which this process is the only user."""

    path: Path

    @property
    def lock_file(self) -> Path:
        """`postmaster.pid`, which a killed server leaves behind."""
        return self.path / "postmaster.pid"

    def create(self, binaries: Binaries, account: Account) -> None:
        """Create the directory from a kept copy, or with `initialise`, and keep a copy of that; errors as there."""
        shutil.rmtree(self.path, ignore_errors=True)
        kept = KeptDirectory(binaries)
        if kept.copy_to(self.path):
            self.repair(account)
            return
        self.initialise(binaries, account)
        kept.keep(self.path)

    def initialise(self, binaries: Binaries, account: Account) -> None:
        """Create the directory with initdb, in about half a second; existing content is removed.

        Raises:
            PostgresError: initdb failed; with its output.
        """
        what = f"cannot initialise PostgreSQL in {self.path}"
        try:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(mode=0o700, parents=True)
            account.own(self.path)
        except OSError as error:
            raise exit_error(what, str(error), 1) from None
        answer = subprocess.run(
            [binaries.initdb, "--pgdata", self.path, *INITDB_OPTIONS],
            preexec_fn=child_setup(account),
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            shutil.rmtree(self.path, ignore_errors=True)
            raise exit_error(what, answer.stdout + answer.stderr, answer.returncode)

    def repair(self, account: Account, timeout: float = 10.0) -> None:
        """Repair what a kill or a copy left: permissions, a server still running, a stale lock file.

        Args:
            account: owner of the files.
            timeout: seconds to wait for a server that shuts down before it is killed.
        """
        try:
            account.own(self.path)
            self.path.chmod(0o700)  # PostgreSQL refuses to start if others have access
        except OSError as error:
            raise PostgresError(
                f"cannot use the data in {self.path}",
                error.strerror or str(error),
                "change the owner of the folder and its content to this user, or choose another folder",
            ) from None
        pid = self._locked_by()
        if pid is not None and self._is_served_by(pid):
            self._stop(pid, timeout)
        self.lock_file.unlink(missing_ok=True)

    def _locked_by(self) -> int | None:
        try:
            first = self.lock_file.read_text().partition("\n")[0].strip()
        except FileNotFoundError:
            return None
        return int(first) if first.isdecimal() else None

    def _is_served_by(self, pid: int) -> bool:
        """Return whether the process is the PostgreSQL of this directory, not another one with a reused pid."""
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self.path.resolve()
        except OSError:
            pass  # no such process, a zombie, or a system without /proc
        listing = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return str(self.path) in listing.stdout

    def _stop(self, pid: int, timeout: float) -> None:
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + timeout
        while self._is_served_by(pid):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                deadline += timeout
            time.sleep(0.01)
