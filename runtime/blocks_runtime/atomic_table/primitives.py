"""Primitives that differ between asyncio and threads. Keep in sync with `atomic_table/aio/primitives.py`."""

from __future__ import annotations

import select
import socket
import ssl
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    R = TypeVar("R")

sleep = time.sleep

_CHUNK = 256 * 1024


class _Socket(socket.socket):
    """A socket that closes without a warning: a table at the top of a module is open until the process ends."""

    def __del__(self) -> None:
        self.close()


class _TlsSocket(ssl.SSLSocket):
    """The same over TLS."""

    def __del__(self) -> None:
        self.close()


class Stream:
    """A connection over TCP or TLS.

    Every method that waits takes `until`, a `time.monotonic()`, and raises TimeoutError when it passes.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @classmethod
    def open(cls, host: str, port: int, tls: ssl.SSLContext | None, until: float) -> Stream:
        """Connect."""
        plain = socket.create_connection((host, port), timeout=_left(until))
        connected: socket.socket = _Socket(fileno=plain.detach())
        try:
            connected.settimeout(_left(until))
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                tls.sslsocket_class = _TlsSocket
                connected = tls.wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise
        return cls(connected)

    def send(self, data: bytes, until: float) -> None:
        """Send all bytes."""
        self._socket.settimeout(_left(until))
        self._socket.sendall(data)

    def receive(self, until: float) -> bytes:
        """Return the next bytes, none at the end of the connection."""
        self._socket.settimeout(_left(until))
        return self._socket.recv(_CHUNK)

    @property
    def usable(self) -> bool:
        """True if a connection that was idle can take a request: the server has neither closed it nor sent more."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def ensure_result(result: R) -> R:
    """Return the result of a callback.

    Raises:
        TypeError: it is a coroutine, which nothing here would run.
    """
    if hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()
        raise TypeError(
            "the function is asynchronous, so nothing of it has run; use AsyncAtomicTable, or a plain function"
        )
    return result


def _left(until: float) -> float:
    """Return the seconds until a time; a timeout of zero would mean not to wait at all, another error."""
    return max(0.001, until - time.monotonic())
