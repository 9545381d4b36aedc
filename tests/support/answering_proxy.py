"""A TLS proxy before a cluster that replies to a chosen request itself, with an error of DSQL."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster


def error(sqlstate: str, text: str, status: bytes = b"I") -> bytes:
    """Return an ErrorResponse and the ReadyForQuery after it."""
    fields = b"\0".join([b"SERROR", b"VERROR", b"C" + sqlstate.encode(), b"M" + text.encode(), b"", b""])
    return b"E" + struct.pack("!I", len(fields) + 4) + fields + b"Z\0\0\0\5" + status


def fatal_error(sqlstate: str, text: str) -> bytes:
    """Return the FATAL ErrorResponse of a server that closes the connection."""
    fields = b"\0".join([b"SFATAL", b"VFATAL", b"C" + sqlstate.encode(), b"M" + text.encode(), b"", b""])
    return b"E" + struct.pack("!I", len(fields) + 4) + fields


def query(text: bytes) -> bytes:
    return b"Q" + struct.pack("!I", len(text) + 5) + text + b"\0"


@dataclass
class Trap:
    """The next request with `words` in it never arrives; `answer` comes back.

    `instead` is a command that the cluster gets in its place, without the client hearing of it. After an answer that
    `hangs_up` the connection is closed.
    """

    words: bytes
    answer: bytes
    instead: bytes = b""
    hangs_up: bool = False


class AnsweringProxy:
    """Terminates TLS on both sides, to read the messages."""

    def __init__(self, cluster: LocalCluster) -> None:
        certificates = cluster.folder.certificates
        self._server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server_side.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        self._client_side = ssl.create_default_context(cafile=cluster.ca_file)
        for context in (self._server_side, self._client_side):
            context.set_alpn_protocols(["postgresql"])
        self._cluster = ("127.0.0.1", int(cluster.endpoint().partition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.trap: Trap | None = None
        """The request that is answered next, if any."""
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening, and wait until all clients have closed."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            self._server_side.wrap_socket(plain, server_side=True) as client,
            self._client_side.wrap_socket(
                socket.create_connection(self._cluster), server_hostname="localhost"
            ) as server,
        ):
            while self._pass_on(client, server):
                pass

    def _pass_on(self, client: ssl.SSLSocket, server: ssl.SSLSocket) -> bool:
        ready = [each for each in (client, server) if each.pending()]
        for source in ready or select.select([client, server], [], [])[0]:
            data = source.recv(65536)
            if not data:
                return False
            trap = self.trap
            if source is server:
                client.sendall(data)
            elif trap is None or trap.words not in data:
                server.sendall(data)
            else:
                self.trap = None
                if trap.instead:
                    server.sendall(query(trap.instead))
                    while not server.recv(65536).endswith(b"Z\0\0\0\5I"):
                        pass
                client.sendall(trap.answer)
                return not trap.hangs_up
        return True


@contextlib.contextmanager
def answering(cluster: LocalCluster) -> Iterator[AnsweringProxy]:
    """Run the proxy before the cluster until the end of the block, when every client must have closed."""
    made = AnsweringProxy(cluster)
    try:
        yield made
    finally:
        made.close()
