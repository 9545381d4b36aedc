"""One sandbox: a process with a runtime client, for one invocation at a time."""

from __future__ import annotations

import concurrent.futures
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.lambda_.output_reader import OutputReader
from blocks_cli.lambda_.result import RuntimeResponse, error_response
from blocks_cli.lambda_.runtime_api import Invocation, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blocks_cli.lambda_.temporary_folders import TemporaryFolders

INIT_LIMIT = 10.0
"""Maximum seconds of Lambda's init phase (developer guide, execution environment lifecycle)."""

HAS_DEATH_SIGNAL = sys.platform == "linux"
"""True if the kernel can end a child with its parent; elsewhere the child watches its standard input."""

_LAUNCH = Path(__file__).with_name("launch.py")
BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True, slots=True)
class Program:
    """Program of a sandbox; `client` is the runtime client, a module or a file."""

    python: Path
    client: str
    handler: str
    folder: Path
    environment: Mapping[str, str]


class Spawner:
    """Starts processes from one thread that lives as long as the deployment.

    On Linux a child's parent-death signal fires when the *thread* that started it ends, and invocations come from
    threads of any lifetime. `temporary` creates the temporary folders of the sandboxes; `death_signal` selects how a
    sandbox ends with this process: by the signal, or at the end of its standard input.
    """

    def __init__(self, temporary: TemporaryFolders, *, death_signal: bool = HAS_DEATH_SIGNAL) -> None:
        self.temporary = temporary
        self._death_signal = death_signal
        self._executor = concurrent.futures.ThreadPoolExecutor(1, "sandbox-spawner")

    def spawn(self, program: Program, environment: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
        """Start `program` with stdout and stderr on the descriptor `output`."""
        return self._executor.submit(_start, program, environment, output, self._death_signal).result()

    def close(self) -> None:
        """End the thread, and with it its child processes."""
        self._executor.shutdown()


def _start(
    program: Program, environment: Mapping[str, str], output: int, death_signal: bool
) -> subprocess.Popen[bytes]:
    parent = str(os.getpid()) if death_signal else "-"
    command = [str(program.python), "-S", str(_LAUNCH), parent, program.client, program.handler]
    return subprocess.Popen(
        command,
        cwd=program.folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL if death_signal else subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,  # Ctrl-C goes to the deploying process only, which then closes its sandboxes
    )


class Sandbox:
    """A warm or warming execution environment of one function.

    The constructor returns at once; the first `invoke` waits for the end of the init phase. Not for concurrent use: the
    pool uses a sandbox for one invocation at a time.
    """

    def __init__(self, program: Program, spawner: Spawner, on_line: Callable[[str], None]) -> None:
        self._api = RuntimeApi()
        self._temporary = spawner.temporary.new()
        reader, writer = os.pipe()
        environment = {
            **program.environment,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "TMPDIR": self._temporary,
        }
        try:
            self._process = spawner.spawn(program, environment, writer)
        finally:
            os.close(writer)
        self._output = OutputReader(reader, on_line)
        self._exit: RuntimeResponse | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def alive(self) -> bool:
        """True if the sandbox can run another invocation."""
        return self._exit is None

    def invoke(self, invocation: Invocation) -> tuple[RuntimeResponse, float]:
        """Run one invocation; return the response and the duration in seconds, without the init phase.

        A timeout ends the sandbox, as it does on Lambda.
        """
        if not self._api.fetched.wait(INIT_LIMIT + invocation.timeout):
            return self._time_out(invocation), 0.0
        started = time.monotonic()
        self._api.offer(invocation)
        try:
            answer = self._api.answers.get(timeout=invocation.timeout)
        except queue.Empty:
            answer = self._time_out(invocation)
        return answer, time.monotonic() - started

    def take_log(self) -> str:
        """Return the tail of the output since the last call."""
        if self._exit is not None:
            self._output.join()
        return self._output.take_tail()

    def close(self) -> None:
        """Kill the process and release all resources; may be called twice."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._api.close()
        self._output.join()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _watch(self) -> None:
        """Wait for the end of the process and report it as a response."""
        status = self._process.wait()
        self._exit = self._api.init_error or error_response("Runtime.ExitError", _exit_message(status))
        self._api.answers.put(self._exit)
        self._api.fetched.set()

    def _time_out(self, invocation: Invocation) -> RuntimeResponse:
        self._process.kill()
        self._process.wait()
        message = f"Error: Task timed out after {invocation.timeout:.2f} seconds"
        self._exit = error_response("Sandbox.Timedout", f"RequestId: {invocation.request_id} {message}")
        return self._exit


def _exit_message(status: int) -> str:
    if status == 0:
        return "Error: Runtime exited without providing a reason"
    if status > 0:
        return f"Error: Runtime exited with error: exit status {status}"
    return f"Error: Runtime exited with error: signal: {signal.Signals(-status).name}"
