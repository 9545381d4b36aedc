"""The server's end of the control protocol."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, cast

from local_dsql import errors
from local_dsql.control import encode_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from local_dsql.control import Json

    Handler = Callable[[Json], Awaitable[Json]]

_LIMIT = 16 * 1024 * 1024
"""Bytes of a line, far above any request."""

_GRACE = 1.0
"""Seconds that a request under way gets when the server ends."""

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
            log.debug("a control connection was lost, or PostgreSQL")
        finally:
            writer.close()
            del self._conversations[task]

    async def _answer(self, line: bytes) -> Json:
        try:
            request = json.loads(line)
            handler = self._handlers[request["method"]]
            return {"result": await handler(request["parameters"])}
        except ConnectionError:
            raise  # PostgreSQL is gone, and so are we in a moment: hang up, as callers see any end of a server
        except (
            Exception
        ) as error:  # the server must survive a failing request, and the caller must hear of it
            if not isinstance(error, (errors.LocalDatabaseError, ValueError)):
                log.exception("a control request failed")
            return encode_error(error)
