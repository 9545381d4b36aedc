"""Server side of the control protocol."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, cast

from local_dsql import errors
from local_dsql.control.protocol import encode_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from local_dsql.control.protocol import Json

    Handler = Callable[[Json], Awaitable[Json]]
    StreamHandler = Callable[[Json, "JsonLineStream"], Awaitable[None]]
    """Answers a request, and owns the connection from then on."""

_LIMIT = 16 * 1024 * 1024
"""Maximum bytes of a line, far above any request."""

_GRACE = 1.0
"""Seconds that running requests get when the server ends."""

log = logging.getLogger(__name__)


class JsonLineStream:
    """Connection of one client, as a stream of JSON objects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Return the next line, empty at the end."""
        return await self._reader.readline()

    async def receive(self) -> Json | None:
        """Return the next object, None at the end.

        Raises:
            ValueError: the line is not JSON.
        """
        stream = await self.read()
        message: Json | None = json.loads(stream) if stream.endswith(b"\n") else None
        return message

    def send(self, message: Json) -> None:
        """Write an object to the send buffer."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def drain(self) -> None:
        """Wait until the send buffer is below its limit."""
        await self._writer.drain()

    def close(self) -> None:
        """Close the connection once the send buffer is empty."""
        self._writer.close()


class ControlServer:
    """Answers requests by name, each connection's in order.

    Args:
        handlers: functions that answer a request, by method.
        stream_handlers: functions that take over the connection, by method.
    """

    def __init__(self, handlers: Mapping[str, Handler], stream_handlers: Mapping[str, StreamHandler]) -> None:
        self._handlers = handlers
        self._stream_handlers = stream_handlers
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], JsonLineStream] = {}

    async def listen(self, path: Path) -> None:
        """Accept connections on a unix socket at `path`."""
        self._server = await asyncio.start_unix_server(self._serve, path, limit=_LIMIT)
        path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening, and close the connections once their send buffers are empty."""
        if self._server is not None:
            self._server.close()
        for stream in self._connections.values():
            stream.close()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_GRACE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        stream = self._connections[task] = JsonLineStream(reader, writer)
        try:
            while request := await stream.read():
                answer = await self._answer(request, stream)
                if answer is None:
                    break
                stream.send(answer)
                await stream.drain()
        except ConnectionError:
            log.debug("the control connection or PostgreSQL was lost")
        finally:
            stream.close()
            del self._connections[task]

    async def _answer(self, text: bytes, stream: JsonLineStream) -> Json | None:
        """Return the answer to a request, or None if the connection has ended."""
        try:
            request = json.loads(text)
            method, parameters = request["method"], request["parameters"]
            if method in self._stream_handlers:
                await self._stream_handlers[method](parameters, stream)
                return None
            return {"result": await self._handlers[method](parameters)}
        except ConnectionError:
            raise  # PostgreSQL has ended, and so will this server: close the connection, as at any end of a server
        except Exception as error:  # the server must survive a failed request and report it
            if not isinstance(error, (errors.LocalDatabaseError, ValueError)):
                log.exception("a control request failed")
            return encode_error(error)
