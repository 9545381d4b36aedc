"""Results of invocations."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace

from blocks_cli.json_value import Json, mapping, sequence, text

EXIT_ERROR = "Runtime.ExitError"
"""Error type of an invocation whose process ended."""

TIMED_OUT = "Sandbox.Timedout"
"""Error type of an invocation that took longer than the timeout of its function."""


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """Result of one invocation.

    `payload` is the handler's result, or Lambda's error object. `error_type` is None on success, else the class name of
    the exception, `Sandbox.Timedout`, `Runtime.ExitError` or an init error such as `Runtime.ImportModuleError`.
    `log_tail` has the last 4 KB of the function's output; `duration` is in seconds, without the start of a sandbox;
    `cold` is whether a sandbox was started. `exceeded` is the memory of the function in MB if it used more.
    """

    request_id: str
    payload: Json
    error_type: str | None = None
    error_message: str | None = None
    stack_trace: tuple[str, ...] = ()
    log_tail: str = ""
    duration: float = 0.0
    cold: bool = False
    exceeded: int | None = None

    @property
    def failed(self) -> bool:
        """True if Lambda would set `FunctionError`."""
        return self.error_type is not None


@dataclass(frozen=True, slots=True)
class RuntimeResponse:
    """Response of the runtime, or of its end, to one invocation: `body` is JSON, `error_type` None on success.

    `of_service` is True for an error that the runtime client did not report, and so did not write to the log.
    `exceeded` is the memory of the function in MB if it used more.
    """

    body: bytes
    error_type: str | None = None
    of_service: bool = False
    exceeded: int | None = None

    def naming(self, request_id: str) -> RuntimeResponse:
        """Return the response for this request: the message about the end of a process has the id of the request."""
        if self.error_type != EXIT_ERROR:
            return self
        named = error_response(EXIT_ERROR, f"RequestId: {request_id} {self._message()}")
        return replace(named, exceeded=self.exceeded)

    def log_lines(self, request_id: str = "") -> tuple[str, ...]:
        """Return the lines with which Lambda itself logs this response; empty if the runtime client has logged it."""
        message = self._message()
        if not self.of_service:
            return ()
        if self.error_type == TIMED_OUT:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            return (f"{stamp} {request_id} {message.rpartition('Error: ')[2]}",)
        if self.error_type != EXIT_ERROR:
            message = f"RequestId: {request_id} Error: {message}"
        memory = (
            () if self.exceeded is None else (f"Memory Size: {self.exceeded} MB: the function used more",)
        )
        return (message, self.error_type or "", *memory)

    def _message(self) -> str:
        return text(mapping(_parse(self.body)).get("errorMessage"))

    def result(self, request_id: str, log_tail: str, duration: float, cold: bool) -> InvocationResult:
        """Convert to an InvocationResult."""
        payload = _parse(self.body)
        if self.error_type is None:
            return InvocationResult(request_id, payload, log_tail=log_tail, duration=duration, cold=cold)
        error = mapping(payload) or {"errorMessage": text(payload) if isinstance(payload, str) else ""}
        return InvocationResult(
            request_id,
            payload,
            error_type=text(error.get("errorType")) or self.error_type,
            error_message=text(error.get("errorMessage")),
            stack_trace=tuple(text(line) for line in sequence(error.get("stackTrace"))),
            log_tail=log_tail,
            duration=duration,
            cold=cold,
            exceeded=self.exceeded,
        )


def error_response(error_type: str, message: str) -> RuntimeResponse:
    """Return an error response of the sandbox, not of the function."""
    body: Json = {"errorType": error_type, "errorMessage": message}
    return RuntimeResponse(json.dumps(body).encode(), error_type, of_service=True)


def _parse(body: bytes) -> Json:
    if not body:
        return None
    try:
        parsed: Json = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    return parsed
