"""The control protocol: one JSON object a line, over a unix socket that only the folder's owner can open.

Request `{"method": "status", "parameters": {…}}`; answer `{"result": {…}}` or
`{"error": {"kind": "ServerMismatchError", "arguments": [what, why, remedy]}}`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import TYPE_CHECKING, cast

from local_dsql import errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    Json = Mapping[str, object]
    Handler = Callable[[Json], Awaitable[Json]]

_LIMIT = 16 * 1024 * 1024
"""Bytes of a line, far above any request."""

_GRACE = 1.0
"""Seconds that a request under way gets when the server ends."""

_KINDS: dict[str, type[errors.LocalDatabaseError]] = {
    kind.__name__: kind
    for kind in (
        errors.FolderError,
        errors.PostgresError,
        errors.PostgresNotFoundError,
        errors.ServerError,
        errors.ServerMismatchError,
    )
}

log = logging.getLogger(__name__)


class ControlServer:
    """Answers requests by name, each connection's in order."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._conversations: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def listen(self, path: Path) -> None:
        """Accept connections on a unix socket at `path`."""
        self._server = await asyncio.start_unix_server(self._converse, path, limit=_LIMIT)
        path.chmod(0o600)

    async def close(self) -> None:
        """Accept no more connections, and hang up on those there are once what they were told is sent."""
        if self._server is not None:
            self._server.close()
        for writer in self._conversations.values():
            writer.close()
        if self._conversations:
            await asyncio.wait(self._conversations, timeout=_GRACE)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._conversations[task] = writer
        try:
            while line := await reader.readline():
                answer = await self._answer(line)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            log.debug("a control connection was lost")
        finally:
            writer.close()
            del self._conversations[task]

    async def _answer(self, line: bytes) -> Json:
        try:
            request = json.loads(line)
            handler = self._handlers[request["method"]]
            return {"result": await handler(request["parameters"])}
        except (
            Exception
        ) as error:  # the server must survive a failing request, and the caller must hear of it
            if not isinstance(error, (errors.LocalDatabaseError, ValueError)):
                log.exception("a control request failed")
            return encode_error(error)


def encode_error(error: Exception) -> Json:
    """Return the answer that carries `error` to the other end."""
    match error:
        case errors.LocalDatabaseError():
            kind, arguments = type(error).__name__, list(error.args)
        case ValueError():
            kind, arguments = ValueError.__name__, [str(error)]
        case _:
            kind = errors.ServerError.__name__
            arguments = ["the server failed", repr(error), "see server.log in the cluster's folder"]
    return {"error": {"kind": kind, "arguments": arguments}}


def decode(line: bytes) -> Json:
    """Return the result in an answer.

    Raises:
        LocalDatabaseError: the answer carries an error.
        ValueError: the other end could not make sense of a parameter.
    """
    answer = json.loads(line)
    if "error" not in answer:
        result: Json = answer["result"]
        return result
    kind, arguments = answer["error"]["kind"], answer["error"]["arguments"]
    raise _KINDS[kind](*arguments) if kind in _KINDS else ValueError(*arguments)


class ControlConnection:
    """A client's connection to the control socket.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, path: Path, timeout: float = 60.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("rb")

    def call(self, method: str, parameters: Json) -> Json:
        """Send a request and return the result.

        Raises:
            LocalDatabaseError: the server refused, with its words.
            ValueError: the server could not make sense of the parameters.
            OSError: the server is gone, or took longer than the timeout.
        """
        request = json.dumps({"method": method, "parameters": parameters})
        self._socket.sendall(request.encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("the server closed the control connection")
        return decode(line)

    def wait_for_end(self) -> None:
        """Return when the server has gone, however it went."""
        self._socket.settimeout(None)
        while self._lines.read(1):
            pass

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()
