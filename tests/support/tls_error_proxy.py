"""A TLS proxy with the cluster's own certificate before a local cluster, which replies with errors on request.

It terminates TLS on both sides, so it can reject logins and single requests with any SQLSTATE and text, as a cluster
does that wakes up, is at its connection limit, or is busy. All other messages are relayed.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_dsql import LocalCluster

Error: TypeAlias = "tuple[str, str]"
"""SQLSTATE and text."""

_ALPN = ["postgresql"]  # psycopg's libpq begins with TLS at once, and then names the protocol
_ROLLBACK = b"Q" + struct.pack("!I", 13) + b"ROLLBACK\0"


class TlsErrorProxy:
    """A proxy on loopback, port `port`.

    `reject_login` is called for each connection with its number from 1, and `reject_request` for each request with its
    number and bytes: they return an error, or None to relay it. A request is a Query, or the messages of the extended
    protocol up to Sync.
    """

    def __init__(self, cluster: LocalCluster) -> None:
        self.reject_login: Callable[[int], Error | None] = lambda number: None
        self.reject_request: Callable[[int, bytes], Error | None] = lambda number, request: None
        self.connections = 0
        self.requests = 0
        self._server = ("localhost", int(cluster.endpoint().partition(":")[2]))
        self._inside = ssl.create_default_context(cafile=str(cluster.ca_file))
        self._outside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        keys = cluster.folder.certificates
        self._outside.load_cert_chain(keys / "server.pem", keys / "server.key")
        for context in (self._inside, self._outside):
            context.set_alpn_protocols(_ALPN)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening; returns when the last client has gone."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._meet, args=(client,)))
                self._threads[-1].start()

    def _meet(self, raw: socket.socket) -> None:
        self.connections += 1
        error = self.reject_login(self.connections)
        with contextlib.suppress(OSError), self._outside.wrap_socket(raw, server_side=True) as client:
            if error is not None:
                client.recv(65536)  # the start-up message
                client.sendall(_error("FATAL", error))
                return
            with socket.create_connection(self._server) as inner:
                with self._inside.wrap_socket(inner, server_hostname="localhost") as server:
                    ProxyConnection(self, client, server).run()


class ProxyConnection:
    """One relayed connection."""

    def __init__(self, tls_error_proxy: TlsErrorProxy, client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
        self._proxy = tls_error_proxy
        self._client = client
        self._server = server
        self._status = b"I"
        self._request = b""
        self._answers = b""

    def run(self) -> None:
        """Relay until one side closes."""
        self._server.sendall(self._client.recv(65536))  # the start-up message has no type
        asked = b""
        while True:
            for each in self._readable():
                data = each.recv(65536)
                if not data:
                    return
                if each is self._server:
                    self._answer(data)
                else:
                    asked = self._ask(asked + data)

    def _readable(self) -> list[ssl.SSLSocket]:
        both = [self._client, self._server]
        return [each for each in both if each.pending()] or select.select(both, [], [])[0]

    def _answer(self, data: bytes) -> None:
        self._answers += data
        messages, self._answers = _split(self._answers)
        for message in messages:
            if message[:1] == b"Z":
                self._status = message[5:6]
        self._client.sendall(data)

    def _ask(self, data: bytes) -> bytes:
        """Handle the messages in `data`; return what is left of it."""
        messages, rest = _split(data)
        for message in messages:
            if message[:1] in b"pX":  # PasswordMessage, Terminate
                self._server.sendall(message)
                continue
            self._request += message
            if message[:1] in b"QS":
                request, self._request = self._request, b""
                self._pass(request)
        return rest

    def _pass(self, request: bytes) -> None:
        self._proxy.requests += 1
        error = self._proxy.reject_request(self._proxy.requests, request)
        if error is None:
            self._server.sendall(request)
            return
        if b"COMMIT\0" in request:
            self._roll_back()
        elif self._status == b"T":
            self._status = b"E"
        self._client.sendall(_error("ERROR", error) + b"Z" + struct.pack("!I", 5) + self._status)

    def _roll_back(self) -> None:
        """End the transaction, as a COMMIT does that fails."""
        self._server.sendall(_ROLLBACK)
        answers = b""
        while not answers.endswith(b"Z\x00\x00\x00\x05I"):
            answers += self._server.recv(65536)
        self._status = b"I"


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole messages at the beginning of `data`, and the rest."""
    messages = []
    while len(data) >= 5 and len(data) >= (size := 1 + struct.unpack_from("!I", data, 1)[0]):
        messages.append(data[:size])
        data = data[size:]
    return messages, data


def _error(severity: str, error: Error) -> bytes:
    fields = {"S": severity, "V": severity, "C": error[0], "M": error[1]}
    body = b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


@contextlib.contextmanager
def tls_error_proxy(cluster: LocalCluster) -> Iterator[TlsErrorProxy]:
    """Run a proxy before a cluster until the end of the block."""
    made = TlsErrorProxy(cluster)
    try:
        yield made
    finally:
        made.close()
