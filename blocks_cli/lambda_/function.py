"""A deployed function: a pool of warm sandboxes that grows with concurrency."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import os
import threading
import uuid
from typing import TYPE_CHECKING

from blocks_cli.lambda_.limits import EVENT_TOO_LARGE, MAX_EVENT, event_too_large
from blocks_cli.lambda_.result import InvocationResult, RuntimeResponse, error_response
from blocks_cli.lambda_.runtime_api import Invocation
from blocks_cli.lambda_.sandbox import INIT_LIMIT, Sandbox, Spawner
from blocks_cli.lambda_.source_names import SourceNames
from blocks_runtime.shared.explained_error import ExplainedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from blocks_cli.json_value import Json
    from blocks_cli.lambda_.configuration import FunctionConfiguration
    from blocks_cli.lambda_.runtime import PreparedFunction
    from blocks_runtime.signing import Credentials

_log = logging.getLogger(__name__)

_THROTTLED = "TooManyRequestsException"

_INIT_PHASES = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
"""Init phases at the same time: more of them would only take longer each, until they exceed Lambda's limit."""


class LocalFunction:
    """Runs invocations of one function, each in its own sandbox; thread-safe.

    An invocation takes an idle sandbox. If there is none, a new one is started, and the invocation takes the first that
    is ready: the new one, or one that another invocation has released.

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
        self._names = SourceNames.of(deployed, prepared.opt)
        self._on_line = on_line
        self._changed = threading.Condition()
        self._idle: list[Sandbox] = []
        self._busy: set[Sandbox] = set()
        self._waiting = 0
        self._starting = 0
        self._failures: list[RuntimeResponse] = []
        self._retired = self._closed = False

    def invoke(self, event: Json, request_id: str | None = None) -> InvocationResult:
        """Run the handler once with `event`; errors of the function are in the result, never raised."""
        request_id = request_id or str(uuid.uuid4())
        body = json.dumps(event).encode()
        if len(body) > MAX_EVENT["RequestResponse"]:
            refused = error_response(EVENT_TOO_LARGE, event_too_large())
            return refused.result(request_id, "", 0.0, cold=False)
        sandbox = self._acquire()
        if isinstance(sandbox, RuntimeResponse):
            return self._refused(sandbox, request_id)
        cold = sandbox.take_cold()
        invocation = Invocation(request_id, body, self.deployed.arn, self.deployed.timeout)
        try:
            answer, duration = sandbox.invoke(invocation)
            result = answer.result(request_id, sandbox.take_log(answer, request_id), duration, cold)
            return self._names.with_copy(sandbox.temporary).result(result)
        finally:
            self._release(sandbox)

    def _refused(self, error: RuntimeResponse, request_id: str) -> InvocationResult:
        """Return the result of an invocation that no sandbox ran; on Lambda a throttled one leaves no line either."""
        if error.error_type != _THROTTLED:
            for line in error.log_lines(request_id):
                self._on_line(line)
        return error.result(request_id, "", 0.0, cold=False)

    def warm_up(self) -> RuntimeResponse | None:
        """Start a sandbox for the next invocation; return the error of its init phase, or None."""
        try:
            sandbox = self._new_sandbox()
        except (ExplainedError, OSError) as error:
            return _not_started(error)
        with _INIT_PHASES:
            is_ready = sandbox.wait_for_init(self._init_limit)
        if failure := sandbox.failure:
            sandbox.take_log(failure)
            sandbox.close()
            return failure
        if is_ready:
            sandbox.take_cold()  # its init phase is no part of the next invocation
        self._release(sandbox)
        return None

    def trim(self, seconds: float) -> None:
        """End the sandboxes that were idle for `seconds`, except one."""
        with self._changed:
            ended = [each for each in self._idle[:-1] if each.idle_for() > seconds]
            self._idle = [each for each in self._idle if each not in ended]
        _close(ended)

    def recycle(self) -> None:
        """End the idle sandboxes."""
        with self._changed:
            idle, self._idle = self._idle, []
        _close(idle)

    def retire(self) -> None:
        """End the sandboxes of a version that was replaced: idle ones now, busy ones after their invocation."""
        with self._changed:
            self._retired = True
            idle, self._idle = self._idle, []
        _close(idle)

    @property
    def is_unused(self) -> bool:
        """True if there is no sandbox and no invocation."""
        with self._changed:
            return not (self._busy or self._waiting or self._starting or self._idle)

    def close(self) -> None:
        """Kill all sandboxes, including busy ones."""
        with self._changed:
            self._closed = True
            sandboxes = [*self._idle, *self._busy]
            self._idle.clear()
            self._changed.notify_all()
        _close(sandboxes)

    @property
    def _init_limit(self) -> float:
        return INIT_LIMIT + self.deployed.timeout

    def _acquire(self) -> Sandbox | RuntimeResponse:
        """Return a sandbox, or the error if none can be started."""
        with self._changed:
            limit = self.deployed.concurrency
            if limit is not None and len(self._busy) + self._waiting >= limit:
                return error_response(_THROTTLED, "Rate Exceeded.: the reserved concurrency is used up")
            self._waiting += 1
            try:
                while (sandbox := self._take()) is None:
                    if self._failures or self._closed:
                        return self._failures.pop() if self._failures else _not_started("it was removed")
                    self._start_missing()
                    self._changed.wait()
            finally:
                self._waiting -= 1
            return sandbox

    def _take(self) -> Sandbox | None:
        while self._idle:
            sandbox = self._idle.pop()
            if sandbox.alive or sandbox.is_unused:  # an unused one reports why its init phase failed
                self._busy.add(sandbox)
                return sandbox
            sandbox.close()
        return None

    def _start_missing(self) -> None:
        """Start a sandbox for each waiting invocation that has none."""
        while self._starting < self._waiting:
            self._starting += 1
            threading.Thread(target=self._start, daemon=True).start()

    def _start(self) -> None:
        try:
            with _INIT_PHASES:
                if self._is_wanted():
                    sandbox = self._new_sandbox()
                    sandbox.wait_for_init(self._init_limit)
                    self._release(sandbox)
        except Exception as error:  # whatever has gone wrong: an invocation waits for the sandbox
            if not isinstance(
                error, (ExplainedError, OSError)
            ):  # of the database with the credentials, or the system
                _log.exception("a sandbox of %s cannot be started", self.deployed.path)
            with self._changed:
                self._failures.append(_not_started(error))
                self._changed.notify_all()
        finally:
            with self._changed:
                self._starting -= 1

    def _is_wanted(self) -> bool:
        with self._changed:
            return self._starting <= self._waiting and not self._closed

    def _new_sandbox(self) -> Sandbox:
        program = self._prepared.program(self._credentials())
        return Sandbox(program, self._spawner, self._print)

    def _print(self, temporary: str, line: str) -> None:
        self._on_line(self._names.with_copy(temporary).text(line))

    def _release(self, sandbox: Sandbox) -> None:
        with self._changed:
            self._busy.discard(sandbox)
            keep = not self._closed and (self._waiting > 0 or not self._retired)
            keep = keep and (sandbox.alive or sandbox.is_unused)
            if keep:
                self._idle.append(sandbox)
            self._changed.notify_all()
        if not keep:
            sandbox.close()


def _close(sandboxes: Collection[Sandbox]) -> None:
    if sandboxes:
        with concurrent.futures.ThreadPoolExecutor(len(sandboxes)) as executor:
            list(executor.map(Sandbox.close, sandboxes))


def _not_started(reason: object) -> RuntimeResponse:
    """Return the error of Lambda's API for a sandbox that could not be started."""
    return error_response("ServiceException", f"The execution environment could not be started: {reason}")
