"""A runtime client of our own, where Lambda's (`awslambdaric`) does not exist: elsewhere than on Linux.

Speaks the same Runtime API and reports the same errors. Standard library only, Python 3.10 and newer: it runs
under the function's interpreter, which knows nothing of this package.
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
    """The handler cannot be loaded, or its answer not be sent; `args` are Lambda's error type and message."""


@dataclass(frozen=True)
class Context:
    """What the handler gets as its second argument."""

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
        """Return the milliseconds left until Lambda kills the sandbox, never less than 0."""
        return max(self.deadline_ms - int(time.time() * 1000), 0)


class RuntimeClient:
    """Asks the Runtime API for events and hands it answers, over one kept connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def next(self) -> tuple[bytes, Mapping[str, str]]:
        """Return the next event and its headers; blocks until there is one."""
        return self._call("GET", "invocation/next", None)

    def post(self, path: str, body: bytes) -> None:
        """Post a response or an error."""
        self._call("POST", path, body)

    def _call(self, method: str, path: str, body: bytes | None) -> tuple[bytes, Mapping[str, str]]:
        self._connection.request(method, _PATH + path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.read(), dict(response.headers)


def load(handler: str) -> Callable[[object, Context], object]:
    """Return the function that `module.function` names.

    Raises:
        HandlerError: it cannot be found; the type is the one Lambda reports.
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
    """Run the handler once and return its answer as JSON.

    Raises:
        HandlerError: the answer is no JSON.
        Exception: whatever the handler raised.
    """
    returned = function(json.loads(event), context)
    try:
        return json.dumps(returned).encode()
    except (TypeError, ValueError) as error:
        raise HandlerError("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def describe(error: Exception, request_id: str = "") -> bytes:
    """Return the error as the object Lambda answers with."""
    name, message = error.args if isinstance(error, HandlerError) else (type(error).__name__, str(error))
    trace = [] if isinstance(error, HandlerError) else _frames(error.__traceback__)
    body = {"errorMessage": message, "errorType": name, "requestId": request_id, "stackTrace": trace}
    return json.dumps(body).encode()


def _frames(trace: TracebackType | None) -> list[str]:
    """Return the frames from the handler on, without our own."""
    frames = traceback.extract_tb(trace)
    return traceback.format_list([frame for frame in frames if frame.filename != __file__])


def report(body: bytes) -> None:
    """Write an error to the function's log, as Lambda does."""
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
    """Answer events until the Runtime API goes away."""
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
    """Load the handler and serve; a handler that does not load is reported and ends the sandbox."""
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
        sys.exit(0)  # the deployment closed


if __name__ == "__main__":
    main(sys.argv[1])
