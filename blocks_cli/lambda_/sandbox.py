"""One sandbox: a process with a runtime client, for one invocation at a time."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.lambda_.limits import RESPONSE_TOO_LARGE
from blocks_cli.lambda_.memory import children_bytes
from blocks_cli.lambda_.output_reader import OutputReader
from blocks_cli.lambda_.result import EXIT_ERROR, TIMED_OUT, RuntimeResponse, error_response
from blocks_cli.lambda_.runtime_api import Invocation, RuntimeApi
from blocks_cli.lambda_.temporary_folders import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blocks_cli.lambda_.temporary_folders import TemporaryFolders

INIT_LIMIT = 10.0
"""Maximum seconds of Lambda's init phase (developer guide, execution environment lifecycle)."""

ON_LINUX = sys.platform == "linux"
"""True if the kernel can end a child with its parent, make files read-only for it, and tell its memory.

Elsewhere the child watches its standard input and runs a copy of the bundle, its memory is not limited, and what it
starts in a session of its own goes on.
"""

_MEMORY_INTERVAL = 0.05
"""Seconds between two looks at the memory of a busy sandbox."""

COPY = "task"
"""Name of the copy of a bundle in the temporary folder of a sandbox."""

_LAUNCH = Path(__file__).with_name("launch.py")
BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


@dataclass(frozen=True, slots=True)
class Program:
    """Program of a sandbox; `client` is the runtime client, a module or a file.

    `folder` is the bundle, `opt` the layers, `bytecode` a folder for compiled modules. `memory` and `storage`, the size
    of `/tmp`, are in MB.
    """

    python: Path
    client: str
    handler: str
    folder: Path
    opt: Path
    bytecode: Path
    environment: Mapping[str, str]
    memory: int
    storage: int


class Spawner:
    """Starts processes from one thread that lives as long as the deployment.

    On Linux a child's parent-death signal fires when the *thread* that started it ends, and invocations come from
    threads of any lifetime. `temporary` creates the temporary folders of the sandboxes; `on_linux` selects the parts
    that other systems do not have.
    """

    def __init__(self, temporary: TemporaryFolders, *, on_linux: bool = ON_LINUX) -> None:
        self.temporary = temporary
        self.on_linux = on_linux
        self._executor = concurrent.futures.ThreadPoolExecutor(1, "sandbox-spawner")

    def spawn(
        self, program: Program, environment: Mapping[str, str], temporary: Path, output: int
    ) -> subprocess.Popen[bytes]:
        """Start `program` with stdout and stderr on the descriptor `output`; `temporary` is its folder."""
        return self._executor.submit(_start, program, environment, temporary, output, self.on_linux).result()

    def close(self) -> None:
        """End the thread, and with it its child processes."""
        self._executor.shutdown()


def _start(
    program: Program, environment: Mapping[str, str], temporary: Path, output: int, on_linux: bool
) -> subprocess.Popen[bytes]:
    program.bytecode.mkdir(parents=True, exist_ok=True)
    settings = {
        "parent": str(os.getpid()) if on_linux else "-",
        "namespaces": "yes" if on_linux else "",
        "code": str(program.folder),
        "opt": str(program.opt),
        "bytecode": str(program.bytecode),
        "megabytes": str(program.storage),
        "copy": str(temporary / COPY),
        "temporary": str(temporary),
    }
    command = [str(program.python), "-S", str(_LAUNCH), json.dumps(settings), program.client, program.handler]
    return subprocess.Popen(
        command,
        cwd=program.folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL if on_linux else subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,  # Ctrl-C goes to the deploying process only, which then closes its sandboxes
    )


class Sandbox:
    """A warm or warming execution environment of one function.

    The constructor returns at once; the first `invoke` waits for the end of the init phase. Not for concurrent use: the
    pool uses a sandbox for one invocation at a time. `on_line` gets the temporary folder of the sandbox with
    every line. `is_unused` is True until the first invocation.
    """

    def __init__(self, program: Program, spawner: Spawner, on_line: Callable[[str, str], None]) -> None:
        self._started = self._used = time.monotonic()
        self._is_cold = True
        self.is_unused = True
        self._api = RuntimeApi()
        self._is_supervised = spawner.on_linux
        self._memory = program.memory if spawner.on_linux else None
        self._exceeded: int | None = None
        self.temporary = spawner.temporary.new()
        reader, writer = os.pipe()
        environment = {**program.environment, "AWS_LAMBDA_RUNTIME_API": self._api.address}
        try:
            self._process = spawner.spawn(program, environment, Path(self.temporary), writer)
        finally:
            os.close(writer)
        self._output = OutputReader(reader, lambda line: on_line(self.temporary, line))
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
        self.is_unused = False
        if not self.wait_for_init(INIT_LIMIT + invocation.timeout):
            return self._time_out(invocation), 0.0
        started = time.monotonic()
        self._api.offer(invocation)
        answer = self._answer(started + invocation.timeout) or self._time_out(invocation)
        self._used = time.monotonic()
        if answer.error_type == RESPONSE_TOO_LARGE:
            self._exit = answer  # Lambda's runtime client exits when its response is refused
        return answer.naming(invocation.request_id), time.monotonic() - started

    def wait_for_init(self, timeout: float) -> bool:
        """Wait for the end of the init phase, until `timeout` seconds after its start; return whether it has ended."""
        deadline = self._started + timeout
        while not self._api.fetched.is_set():
            if (left := deadline - time.monotonic()) <= 0:
                return False
            if self._api.fetched.wait(min(left, _MEMORY_INTERVAL)):
                break
            self._hold_memory()
        return True

    @property
    def failure(self) -> RuntimeResponse | None:
        """The error that ended the process, or None."""
        return self._exit

    def take_cold(self) -> bool:
        """Return whether this is the first call."""
        cold, self._is_cold = self._is_cold, False
        return cold

    def idle_for(self) -> float:
        """Return the seconds since the last invocation."""
        return time.monotonic() - self._used

    def _answer(self, deadline: float) -> RuntimeResponse | None:
        """Return the response of the runtime, or None if there is none until `deadline`."""
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                return self._api.answers.get(timeout=min(left, _MEMORY_INTERVAL))
            self._hold_memory()
        return None

    def _hold_memory(self) -> None:
        """Kill the process if it uses more memory than the function has, as Lambda does."""
        if self._memory is not None and children_bytes(self._process.pid) > self._memory * 1024 * 1024:
            self._exceeded = self._memory
            self._kill()

    def _kill(self) -> None:
        """Kill the process with the processes that it started."""
        if self._is_supervised:
            self._process.terminate()  # the supervisor of `launch.py` kills all below it
            return
        if self._process.returncode is None:
            self._kill_group()
        self._process.kill()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def take_log(self, response: RuntimeResponse, request_id: str = "") -> str:
        """Return the tail of the output since the last call; what Lambda itself logs of the response is its end."""
        if self._exit is not None:
            self._output.join()
        for line in response.log_lines(request_id):
            self._output.add(line)
        return self._output.take_tail()

    def close(self) -> None:
        """Kill the process and release all resources; may be called twice."""
        self._kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._api.close()
        self._output.join()
        remove(Path(self.temporary))

    def _watch(self) -> None:
        """Wait for the end of the process and report it as a response."""
        status = self._process.wait()
        if not self._is_supervised:
            self._kill_group()  # a handler that exits may leave processes
        ended = replace(error_response(EXIT_ERROR, _exit_message(status)), exceeded=self._exceeded)
        self._exit = self._api.init_error or ended
        self._api.answers.put(self._exit)
        self._api.fetched.set()

    def _time_out(self, invocation: Invocation) -> RuntimeResponse:
        self._kill()
        self._process.wait()
        message = f"Error: Task timed out after {invocation.timeout:.2f} seconds"
        self._exit = error_response(TIMED_OUT, f"RequestId: {invocation.request_id} {message}")
        return self._exit


def _exit_message(status: int) -> str:
    if status == 0:
        return "Error: Runtime exited without providing a reason"
    if status > 0:
        return f"Error: Runtime exited with error: exit status {status}"
    return f"Error: Runtime exited with error: signal: {(signal.strsignal(-status) or str(-status)).lower()}"
