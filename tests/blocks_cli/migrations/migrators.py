"""Deploying processes made by the dozen: one process imports everything, and forks a migrator on request.

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
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[3]


@dataclass
class Invocation:
    """The migration function invoked once.

    `manifest` is the file with the compiled migrations, `term` how many seconds its lease holds without being
    renewed, `seconds` how long Lambda lets it run.
    """

    event: Mapping[str, object]
    environment: Mapping[str, str]
    manifest: str
    term: float = 120.0
    seconds: float = 60.0
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:Migrator"
    log_stream_name: str = "2026/09/17/[$LATEST]abc"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left, as Lambda's context does; it counts from the fork."""
        return int(self.seconds * 1000)


class Migrator:
    """A process that runs the migration function once."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    @property
    def ended(self) -> bool:
        """True once it has ended by itself."""
        return self._nursery.has_spoken

    def kill(self) -> None:
        """End it as a power cut does, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it as a frozen sandbox or a suspended machine does, until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if no time had passed."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> int:
        """Return its exit status once it has ended, negative for a signal."""
        return self._nursery.wait()


class Nursery:
    """The process that forks; one migrator at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def invoke(self, invocation: Invocation) -> Migrator:
        """Begin an invocation in a process of its own."""
        assert self._process.stdin is not None
        print(json.dumps(asdict(invocation)), file=self._process.stdin, flush=True)
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
    import lambda_migrator.handler  # noqa: F401 (and psycopg, so that no child has to)
    from blocks_runtime.database import session  # noqa: F401

    for line in sys.stdin:
        invocation = Invocation(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            os._exit(_invoke(invocation))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _invoke(invocation: Invocation) -> int:
    """Run the handler, and return 0 if it returned: that it has answered, whatever the answer."""
    from lambda_migrator import handler, lease

    os.environ.update(invocation.environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    lease.TERM = invocation.term
    lease._POLL = (0.05, 0.1)
    handler.MANIFEST = Path(invocation.manifest)
    began = time.time()
    try:
        handler.handler(dict(invocation.event), invocation)
    except Exception as error:
        print(f"{type(error).__name__}: {error} after {time.time() - began:.1f} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    main()
