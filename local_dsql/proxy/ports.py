"""TCP ports on the loopback addresses that the server keeps while it refuses connections."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BACKLOG = 512
"""Connections that wait to be accepted."""


class ReservedPort:
    """A port on 127.0.0.1 and, if the host has it, on ::1.

    Clients that connect after `listen` wait until a server accepts; after `refuse` they get ECONNREFUSED, and the
    port stays reserved.

    Attributes:
        number: the port.
    """

    def __init__(self, number: int = 0) -> None:
        """Reserve a port; 0 takes a free one.

        Raises:
            OSError: the port is in use.
        """
        self._addresses = [_Address("127.0.0.1", socket.AF_INET, number)]
        self.number = self._addresses[0].port
        if socket.has_ipv6:
            with contextlib.suppress(OSError):  # no IPv6 on this host, or the port is in use there
                self._addresses.append(_Address("::1", socket.AF_INET6, self.number))

    def listen(self) -> list[socket.socket]:
        """Listen, unless it does already; return duplicates of the listening sockets, which the caller closes.

        Raises:
            OSError: the port was given up by `refuse` (other systems than Linux), and another program has it.
        """
        return [address.listen().dup() for address in self._addresses]

    def refuse(self) -> None:
        """Refuse connections until `listen`; no effect if it does already."""
        for address in self._addresses:
            address.refuse()

    def close(self) -> None:
        """Give the port up."""
        for address in self._addresses:
            address.close()


class _Address:
    """One loopback address of a port.

    On Linux, a bound socket that never listens reserves the port. A second socket can bind and listen beside it only
    while both have SO_REUSEADDR; the first one has the option just for that moment, so no other program can bind the
    port. Other systems do not allow the second socket; there the listening socket alone has the port.
    """

    def __init__(self, host: str, family: socket.AddressFamily, port: int) -> None:
        self._host = host
        self._family = family
        self._listening: socket.socket | None = None
        self._reservation = _bound(family, host, port) if sys.platform == "linux" else None
        try:
            self.port = port if self._reservation is None else _number(self._reservation)
            self.port = _number(self.listen())
        except OSError:
            self.close()
            raise

    def listen(self) -> socket.socket:
        if self._listening is None:
            with self._shared():
                self._listening = _bound(self._family, self._host, self.port)
                self._listening.listen(_BACKLOG)
        return self._listening

    def refuse(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def close(self) -> None:
        self.refuse()
        if self._reservation is not None:
            self._reservation.close()
            self._reservation = None

    @contextlib.contextmanager
    def _shared(self) -> Iterator[None]:
        """Allow a second socket beside the reservation to bind and listen."""
        if self._reservation is None:
            yield
            return
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            yield
        finally:
            self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _number(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])
