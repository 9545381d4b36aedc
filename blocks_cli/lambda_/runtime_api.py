"""Server of the Lambda Runtime API for one sandbox (AWS Lambda developer guide, custom runtimes, 2018-06-01)."""

from __future__ import annotations

import io
import json
import queue
import secrets
import threading
import time
from dataclasses import dataclass, field

from blocks_cli.json_value import mapping, text
from blocks_cli.lambda_.http_server import RequestHandler, Server
from blocks_cli.lambda_.limits import MAX_RESPONSE, RESPONSE_TOO_LARGE, response_too_large
from blocks_cli.lambda_.result import RuntimeResponse, error_response

_TOO_LARGE = json.dumps(
    {
        "errorType": "RequestEntityTooLarge",
        "errorMessage": f"Exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).",
    }
).encode()
_PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event for a sandbox; `timeout`, in seconds, starts when the runtime fetches the event."""

    request_id: str
    event: bytes
    function_arn: str
    timeout: float
    trace_id: str = field(default_factory=lambda: new_trace_id())

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers of the event."""
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
            "Lambda-Runtime-Trace-Id": self.trace_id,
        }


def new_trace_id() -> str:
    """Return an unsampled X-Ray trace header."""
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


class RuntimeApi(Server):
    """Serves one sandbox: one invocation at a time.

    `fetched` is set at the runtime's first request for an invocation, that is at the end of its init phase.
    """

    def __init__(self) -> None:
        self._invocations: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[RuntimeResponse] = queue.SimpleQueue()
        self.fetched = threading.Event()
        self.init_error: RuntimeResponse | None = None
        super().__init__(_RuntimeHandler)

    def offer(self, invocation: Invocation) -> None:
        """Queue an invocation for the runtime to fetch."""
        self._invocations.put(invocation)

    def next_invocation(self) -> Invocation | None:
        """Block until the next invocation; return None when the API closes."""
        self.fetched.set()
        return self._invocations.get()

    def close(self) -> None:
        """End the long poll, which ends the runtime, and stop listening."""
        self._invocations.put(None)
        super().close()


class _ShortenedLines(io.BufferedReader):
    """Reader of requests that cuts off lines which `http.server` would refuse.

    Lambda's runtime client sends the cause of an error for X-Ray as a header of up to 1 MiB; it is not used here.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline()
        if size is None or not 0 <= size <= len(line):
            return line
        return line[: size - 2] + b"\n"


class _RuntimeHandler(RequestHandler):
    server: RuntimeApi

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = _ShortenedLines(self.connection.makefile("rb", buffering=0))

    def do_GET(self) -> None:  # noqa: N802 - name required by http.server
        if self.path != f"{_PREFIX}invocation/next":
            return self._not_found()
        invocation = self.server.next_invocation()
        if invocation is None:
            self.close_connection = True
            return None
        return self.reply(200, invocation.event, invocation.headers())

    def do_POST(self) -> None:  # noqa: N802 - name required by http.server
        body = self.body()
        match self.path.removeprefix(_PREFIX).split("/"):
            case ["init", "error"]:
                self.server.init_error = RuntimeResponse(body, _error_type(body, "Runtime.InitError"))
            case ["invocation", _, "response"] if len(body) > MAX_RESPONSE:
                self.server.answers.put(error_response(RESPONSE_TOO_LARGE, response_too_large()))
                return self.reply(413, _TOO_LARGE, {"Content-Type": "application/json"})
            case ["invocation", _, "response"]:
                self.server.answers.put(RuntimeResponse(body))
            case ["invocation", _, "error"]:
                self.server.answers.put(RuntimeResponse(body, _error_type(body, "Runtime.Unknown")))
            case _:
                return self._not_found()
        return self.reply(202, b'{"status":"OK"}', {"Content-Type": "application/json"})

    def _not_found(self) -> None:
        self.reply(404, b'{"errorType":"NotFound","errorMessage":"path is not in the Runtime API"}')


def _error_type(body: bytes, otherwise: str) -> str:
    try:
        return text(mapping(json.loads(body)).get("errorType")) or otherwise
    except ValueError:
        return otherwise
