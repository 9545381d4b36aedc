"""A client that speaks the protocol byte by byte, for what drivers do not do."""

from __future__ import annotations

import socket
import ssl
import struct
from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.message_types import BackendMessage, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from local_dsql.wire.frames import Frame
    from tests.local_dsql.proxy.cluster import Cluster


class RawClient:
    """One connection: `send` bytes, `read` frames."""

    def __init__(
        self, cluster: Cluster, *, direct: bool = False, server_name: str | None = "localhost"
    ) -> None:
        plain = socket.create_connection(("127.0.0.1", cluster.port), timeout=10)
        if not direct:
            plain.sendall(struct.pack("!II", 8, messages.SSL_REQUEST))
            assert plain.recv(1) == messages.ENCRYPTION_ACCEPTED
        context = ssl.create_default_context(cafile=str(cluster.ca))
        context.set_alpn_protocols(["postgresql"])
        context.check_hostname = server_name is not None
        self.socket = context.wrap_socket(plain, server_hostname=server_name)
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def log_in(self, cluster: Cluster, user: str = "admin", **parameters: str) -> list[Frame]:
        """Log in; return what the server says after the password."""
        self.send(messages.startup({"user": user, "database": "postgres", **parameters}))
        self.read(BackendMessage.AUTHENTICATION)
        self.send(messages.frame(FrontendMessage.PASSWORD, messages.cstring(cluster.token())))
        return self.read()

    def send(self, *parts: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(b"".join(parts))

    def read(self, until: bytes = BackendMessage.READY_FOR_QUERY) -> list[Frame]:
        """Return the frames up to and including one of the given type, or all there are when the server hangs up."""
        taken: list[Frame] = []
        while True:
            while self._frames:
                taken.append(self._frames.pop(0))
                if taken[-1][0] == until:
                    return taken
            data = self.socket.recv(65536)
            if not data:
                return taken
            self._frames += self._reader.feed(data)

    def kinds(self, until: bytes = BackendMessage.READY_FOR_QUERY) -> str:
        """Return the types of the frames up to one."""
        return b"".join(kind for kind, _ in self.read(until)).decode()


def read_all(connected: socket.socket) -> list[Frame]:
    """Return the frames up to ReadyForQuery, read from a socket as it is."""
    reader = FrameReader()
    frames: list[Frame] = []
    while not frames or frames[-1][0] != BackendMessage.READY_FOR_QUERY:
        frames += reader.feed(connected.recv(65536))
    return frames


def parse(sql: str, name: str = "") -> bytes:
    """Return a Parse."""
    return messages.parse(sql.encode(), name.encode())


def bind(portal: str = "", name: str = "") -> bytes:
    """Return a Bind without parameters, results as text."""
    return messages.bind(portal.encode(), name.encode())


def describe(name: str = "", target: bytes = ObjectKind.PORTAL) -> bytes:
    """Return a Describe."""
    return messages.describe(target, name.encode())


def execute(portal: str = "", limit: int = 0) -> bytes:
    """Return an Execute."""
    return messages.execute(portal.encode(), limit)


FLUSH = messages.FLUSH
SYNC = messages.SYNC
