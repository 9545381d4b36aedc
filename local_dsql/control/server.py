"""The server's end of the control protocol."""

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
    Host = Callable[[Json, "Line"], Awaitable[None]]
    """Answers a request and keeps the connection for itself from then on."""

_LIMIT = 16 * 1024 * 1024
"""Bytes of a line, far above any request."""

_GRACE = 1.0
"""Seconds that a request under way gets when the server ends."""

log = logging.getLogger(__name__)


class Line:
    """One client's connection, a JSON object at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Return the next line, nothing at the end."""
        return await self._reader.readline()

    async def receive(self) -> Json | None:
        """Return the next object, None at the end.

        Raises:
            ValueError: it is no JSON.
        """
        line = await self.read()
        message: Json | None = json.loads(line) if line.endswith(b"\n") else None
        return message

    def send(self, message: Json) -> None:
        """Send an object, some time."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def sent(self) -> None:
        """Return when the client has taken what was sent, or is taking it."""
        await self._writer.drain()

    def hang_up(self) -> None:
        """Close the connection once what was sent is on its way."""
        self._writer.close()


class ControlServer:
    """Answers requests by name, each connection's in order.

    Args:
        handlers: what answers a request.
        hosts: what takes a connection over.
    """

    def __init__(self, handlers: Mapping[str, Handler], hosts: Mapping[str, Host]) -> None:
        self._handlers = handlers
        self._hosts = hosts
        self._server: asyncio.Server | None = None
        self._conversations: dict[asyncio.Task[None], Line] = {}

    async def listen(self, path: Path) -> None:
        """Accept connections on a unix socket at `path`."""
        self._server = await asyncio.start_unix_server(self._converse, path, limit=_LIMIT)
        path.chmod(0o600)

    async def close(self) -> None:
        """Accept no more connections, and hang up on those there are once what they were told is sent."""
        if self._server is not None:
            self._server.close()
        for line in self._conversations.values():
            line.hang_up()
        if self._conversations:
            await asyncio.wait(self._conversations, timeout=_GRACE)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        line = self._conversations[task] = Line(reader, writer)
        try:
            while request := await line.read():
                answer = await self._answer(request, line)
                if answer is None:
                    break
                line.send(answer)
                await line.sent()
        except ConnectionError:
            log.debug("a control connection was lost, or PostgreSQL")
        finally:
            line.hang_up()
            del self._conversations[task]

    async def _answer(self, text: bytes, line: Line) -> Json | None:
        """Return what to answer; None where the conversation is over."""
        try:
            request = json.loads(text)
            method, parameters = request["method"], request["parameters"]
            if method in self._hosts:
                await self._hosts[method](parameters, line)
                return None
            return {"result": await self._handlers[method](parameters)}
        except ConnectionError:
            raise  # PostgreSQL is gone, and so are we in a moment: hang up, as callers see any end of a server
        except (
            Exception
        ) as error:  # the server must survive a failing request, and the caller must hear of it
            if not isinstance(error, (errors.LocalDatabaseError, ValueError)):
                log.exception("a control request failed")
            return encode_error(error)
