"""A deployed function: a pool of warm sandboxes that grows with concurrency."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import uuid
from typing import TYPE_CHECKING

from blocks_cli.lambda_.result import InvocationResult, RuntimeResponse, error_response
from blocks_cli.lambda_.runtime_api import Invocation
from blocks_cli.lambda_.sandbox import Sandbox, Spawner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.lambda_.runtime import PreparedFunction
    from blocks_runtime.signing import Credentials


class LocalFunction:
    """Runs invocations of one function, each in its own sandbox; thread-safe.

    `deployed` is the configuration as deployed, `prepared` how it runs here. `credentials` is asked for the
    credentials of the function's role whenever a sandbox starts; `on_line` gets every line the function writes.
    """

    def __init__(
        self,
        deployed: FunctionConfiguration,
        prepared: PreparedFunction,
        spawner: Spawner,
        credentials: Callable[[], Credentials],
        on_line: Callable[[str], None],
    ) -> None:
        self.deployed = deployed
        self.notes = prepared.notes
        self._prepared = prepared
        self._spawner = spawner
        self._credentials = credentials
        self._on_line = on_line
        self._lock = threading.Lock()
        self._idle: list[Sandbox] = []
        self._busy: set[Sandbox] = set()
        self._retired = False

    def invoke(self, event: Json, request_id: str | None = None) -> InvocationResult:
        """Run the handler once with `event`; errors of the function are in the result, never raised."""
        request_id = request_id or str(uuid.uuid4())
        sandbox, cold = self._acquire()
        if sandbox is None:
            return _throttled().result(request_id, "", 0.0, cold=False)
        invocation = Invocation(
            request_id, json.dumps(event).encode(), self.deployed.arn, self.deployed.timeout
        )
        try:
            answer, duration = sandbox.invoke(invocation)
            return answer.result(request_id, sandbox.take_log(), duration, cold)
        finally:
            self._release(sandbox)

    def retire(self) -> None:
        """End the sandboxes of a version that was replaced: idle ones now, busy ones after their invocation."""
        with self._lock:
            self._retired = True
            idle, self._idle = self._idle, []
        _close(idle)

    def close(self) -> None:
        """Kill all sandboxes, including busy ones."""
        with self._lock:
            sandboxes = [*self._idle, *self._busy]
            self._idle.clear()
        _close(sandboxes)

    def _acquire(self) -> tuple[Sandbox | None, bool]:
        """Return a warm or new sandbox (None if the reserved concurrency is used up), and whether it is new."""
        with self._lock:
            warm = self._warm()
            limit = self.deployed.concurrency
            if warm is None and limit is not None and len(self._busy) >= limit:
                return None, False
            if warm is not None:
                self._busy.add(warm)
                return warm, False
        fresh = Sandbox(self._prepared.program(self._credentials()), self._spawner, self._on_line)
        with self._lock:
            self._busy.add(fresh)
        return fresh, True

    def _warm(self) -> Sandbox | None:
        while self._idle:
            sandbox = self._idle.pop()
            if sandbox.alive:
                return sandbox
            sandbox.close()
        return None

    def _release(self, sandbox: Sandbox) -> None:
        with self._lock:
            self._busy.discard(sandbox)
            if sandbox.alive and not self._retired:
                self._idle.append(sandbox)
                return
        sandbox.close()


def _close(sandboxes: Collection[Sandbox]) -> None:
    if sandboxes:
        with concurrent.futures.ThreadPoolExecutor(len(sandboxes)) as executor:
            list(executor.map(Sandbox.close, sandboxes))


def _throttled() -> RuntimeResponse:
    return error_response("TooManyRequestsException", "Rate Exceeded.: the reserved concurrency is used up")
