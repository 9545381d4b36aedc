"""The control protocol: one JSON object per line, over a unix socket that only the owner of the folder can open.

Request `{"method": "status", "parameters": {…}}`; answer `{"result": {…}}` or
`{"error": {"kind": "ServerMismatchError", "arguments": [what, why, remedy]}}`. After `inject_by_predicate` the roles
are
swapped: the server sends COMMITs, the client answers each with `{"verdict": true}` or `{"error": "ValueError: …"}`,
    until one of them closes the connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING

from local_dsql import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Json = Mapping[str, object]

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


def encode_error(error: Exception) -> Json:
    """Return the answer that reports `error`."""
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
    """Return the result of an answer.

    Raises:
        LocalDatabaseError: the answer reports an error.
        ValueError: the answer reports an invalid parameter.
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
        OSError: no server listens on the socket.
    """

    def __init__(self, path: Path, timeout: float) -> None:
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
            LocalDatabaseError: the server reports an error.
            ValueError: the parameters are invalid.
            OSError: the server has ended, or exceeded the timeout.
        """
        request = json.dumps({"method": method, "parameters": parameters})
        self._socket.sendall(request.encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("the server closed the control connection")
        return decode(line)

    def answer(self, reply: Callable[[Json], Json]) -> None:
        """Answer the server's requests, one after the other, until either side closes the connection."""
        self._socket.settimeout(None)
        with contextlib.suppress(OSError):  # the connection was closed
            while (line := self._lines.readline()).endswith(b"\n"):
                self._socket.sendall(json.dumps(reply(json.loads(line))).encode() + b"\n")

    def shut_down(self) -> None:
        """Shut the socket down, which also ends the wait of another thread."""
        with contextlib.suppress(OSError):  # it is closed already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close_after_fork(self) -> None:
        """Close the descriptor that a child process inherited by `fork`, so that the server notices the parent's end.

        Touches nothing but the descriptor: at the fork, a thread of the parent may have held the reader's lock.
        """
        with contextlib.suppress(OSError):  # it is closed already
            os.close(self._socket.detach())

    def wait_for_end(self) -> None:
        """Wait until the server closes the connection."""
        self._socket.settimeout(None)
        while self._lines.read(1):
            pass

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._socket.close()
