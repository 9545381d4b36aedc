"""Migrating processes made by the dozen: one process imports everything, and forks a migrator on request.

As a program it reads lines of JSON, forks, and answers with the process id, then with how the child ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[3]


class Migrator:
    """A migrating process."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    @property
    def ended(self) -> bool:
        """True once it has ended by itself."""
        return self._nursery.has_spoken

    def kill(self) -> None:
        """End it as a power cut does."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Return its exit status once it has ended, negative for a signal."""
        return self._nursery.wait()


class Nursery:
    """The process that forks; one migrator at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def migrate(self, folder: Path, environment: Mapping[str, str], port: int) -> Migrator:
        """Begin to apply a folder of migrations to the cluster behind a port of this machine."""
        assert self._process.stdin is not None
        print(json.dumps([str(folder), dict(environment), port]), file=self._process.stdin, flush=True)
        return Migrator(self, self.wait())

    @property
    def has_spoken(self) -> bool:
        """True if a line of the process is waiting to be read."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def wait(self) -> int:
        """Return the number that the process says next."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """Start the process, ready to fork."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "runtime")])}
    command = [sys.executable, "-m", "tests.blocks_cli.migrations.migrators"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Fork a migrator for each line of standard input."""
    import lambda_migrator.migrate  # noqa: F401 (all of them so that no child has to)

    for line in sys.stdin:
        folder, environment, port = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(_migrate(Path(folder), environment, port))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _migrate(folder: Path, environment: dict[str, str], port: int) -> int:
    """Run `blocks up` as a shell would, and return its exit code."""
    from blocks_cli.main import main as blocks

    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    options = ["--migrations", str(folder), "--dialect", "2026-09"]
    try:
        blocks(["up", *options, "--endpoint", f"localhost:{port}", "--region", "us-east-1"])
    except SystemExit as end:
        return int(end.code or 0)


if __name__ == "__main__":
    main()
