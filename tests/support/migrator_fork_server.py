"""A fork server for migrators: one process imports the migration function, and forks on request.

As a program it reads lines of JSON, forks, and prints the pid and then the exit code of the child.
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

ROOT = Path(__file__).parents[2]


@dataclass
class Invocation:
    """One invocation of the migration function.

    `manifest` is the file with the compiled migrations, `term` the seconds until its lease expires without renewal,
    `seconds` the Lambda timeout.
    """

    event: Mapping[str, object]
    environment: Mapping[str, str]
    manifest: str
    term: float = 120.0
    seconds: float = 60.0
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:Migrator"
    log_stream_name: str = "2026/09/17/[$LATEST]abc"

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining milliseconds, like Lambda's context; the time starts at the fork."""
        return int(self.seconds * 1000)


class Migrator:
    """A process that runs the migration function once."""

    def __init__(self, fork_server: ForkServer, pid: int) -> None:
        self._fork_server = fork_server
        self.pid = pid

    @property
    def ended(self) -> bool:
        """True once the process has ended by itself."""
        return self._fork_server.has_output

    def kill(self) -> None:
        """Kill the process with SIGKILL, unless it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the process until `thaw`, like a frozen sandbox or a suspended machine."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue the process."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> int:
        """Wait for the end and return the exit code, negative for a signal."""
        return self._fork_server.wait()


class ForkServer:
    """The fork server process; it runs one migrator at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def invoke(self, invocation: Invocation) -> Migrator:
        """Start an invocation in a forked process."""
        assert self._process.stdin is not None
        print(json.dumps(asdict(invocation)), file=self._process.stdin, flush=True)
        return Migrator(self, self.wait())

    @property
    def has_output(self) -> bool:
        """True if the process has printed a line that was not read."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def wait(self) -> int:
        """Return the next number that the process prints."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextlib.contextmanager
def start_fork_server() -> Iterator[ForkServer]:
    """Start the fork server."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "runtime")])}
    command = [sys.executable, "-m", "tests.support.migrator_fork_server"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield ForkServer(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Fork a migrator for each line of standard input."""
    import lambda_migrator.handler  # noqa: F401 (and psycopg, so that children need not)
    from blocks_runtime.database import session  # noqa: F401

    for line in sys.stdin:
        invocation = Invocation(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            os._exit(_invoke(invocation))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _invoke(invocation: Invocation) -> int:
    """Run the handler, and return 0 if it returned: then it has sent a response, of any status."""
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
