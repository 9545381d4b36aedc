"""Runtime client for systems without Lambda's own (`awslambdaric`, which exists for Linux only).

Uses the same Runtime API and reports the same errors. Standard library only, Python 3.10 and newer: it runs under the
function's interpreter, which cannot import this package.
"""

from __future__ import annotations

import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_PATH = "/2018-06-01/runtime/"


class HandlerError(Exception):
    """The handler cannot be loaded, or its result is not JSON; `args` are Lambda's error type and message."""


@dataclass(frozen=True)
class Context:
    """The context object: the second argument of the handler."""

    aws_request_id: str
    invoked_function_arn: str
    deadline_ms: int
    identity: None = None
    client_context: None = None
    function_name: str = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    function_version: str = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "")
    memory_limit_in_mb: str = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    log_group_name: str = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
    log_stream_name: str = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the timeout of the invocation, at least 0."""
        return max(self.deadline_ms - int(time.time() * 1000), 0)


class RuntimeClient:
    """Client of the Runtime API, over one persistent connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def next(self) -> tuple[bytes, Mapping[str, str]]:
        """Block until the next event; return it with its headers."""
        return self._call("GET", "invocation/next", None)

    def post(self, path: str, body: bytes) -> None:
        """Post a response or an error."""
        self._call("POST", path, body)

    def _call(self, method: str, path: str, body: bytes | None) -> tuple[bytes, Mapping[str, str]]:
        self._connection.request(method, _PATH + path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.read(), dict(response.headers)


def load(handler: str) -> Callable[[object, Context], object]:
    """Import the function `module.function`.

    Raises:
        HandlerError: it cannot be imported; with the error type that Lambda reports.
    """
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        raise HandlerError("Runtime.MalformedHandlerName", f"Bad handler '{handler}': no dot in it")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise HandlerError(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from None
    except SyntaxError as error:
        raise HandlerError(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}"
        ) from None
    if not hasattr(module, function_name):
        raise HandlerError(
            "Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'"
        )
    loaded: Callable[[object, Context], object] = getattr(module, function_name)
    return loaded


def answer(function: Callable[[object, Context], object], event: bytes, context: Context) -> bytes:
    """Run the handler once and return its result as JSON.

    Raises:
        HandlerError: the result is not JSON.
        Exception: the handler raised it.
    """
    returned = function(json.loads(event), context)
    try:
        return json.dumps(returned).encode()
    except (TypeError, ValueError) as error:
        raise HandlerError("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def describe(error: Exception, request_id: str = "") -> bytes:
    """Return the error object of Lambda's response."""
    name, message = error.args if isinstance(error, HandlerError) else (type(error).__name__, str(error))
    trace = [] if isinstance(error, HandlerError) else _frames(error.__traceback__)
    body = {"errorMessage": message, "errorType": name, "requestId": request_id, "stackTrace": trace}
    return json.dumps(body).encode()


def _frames(trace: TracebackType | None) -> list[str]:
    """Return the stack frames of the handler, without those of this file."""
    frames = traceback.extract_tb(trace)
    return traceback.format_list([frame for frame in frames if frame.filename != __file__])


def report(body: bytes) -> None:
    """Write an error to the log of the function, in Lambda's format."""
    error = json.loads(body)
    sys.stdout.write(f"[ERROR] {error['errorType']}: {error['errorMessage']}\n")
    sys.stdout.writelines(error["stackTrace"])


class _RequestIdFilter(logging.Filter):
    request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        return True


def _set_up_logging() -> _RequestIdFilter:
    handler, stamp = logging.StreamHandler(sys.stdout), _RequestIdFilter()
    logging.Formatter.converter = time.gmtime
    line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(stamp)
    logging.getLogger().addHandler(handler)
    return stamp


def serve(client: RuntimeClient, function: Callable[[object, Context], object]) -> None:
    """Handle events until the Runtime API closes."""
    stamp = _set_up_logging()
    while True:
        event, headers = client.next()
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        stamp.request_id = request_id
        os.environ["_X_AMZN_TRACE_ID"] = headers["Lambda-Runtime-Trace-Id"]
        context = Context(
            request_id,
            headers["Lambda-Runtime-Invoked-Function-Arn"],
            int(headers["Lambda-Runtime-Deadline-Ms"]),
        )
        try:
            body, kind = answer(function, event, context), "response"
        except Exception as error:
            body, kind = describe(error, request_id), "error"
            report(body)
        client.post(f"invocation/{request_id}/{kind}", body)


def main(handler: str) -> None:
    """Load the handler and serve; report a handler that does not load, and exit."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    client = RuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        function = load(handler)
    except Exception as error:
        body = describe(error)
        report(body)
        client.post("init/error", body)
        sys.exit(1)
    try:
        serve(client, function)
    except (http.client.HTTPException, ConnectionError):
        sys.exit(0)  # the deployment was closed


if __name__ == "__main__":
    main(sys.argv[1])
