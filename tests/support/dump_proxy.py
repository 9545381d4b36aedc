"""A proxy for pg_dump before a local cluster: it does what AWS's pgdump-proxy for clusters does.

AWS's program (aurora-dsql-tools, pgdump-proxy) takes clients in plain text, answers settings that DSQL refuses and LOCK
itself, replaces calls of set_config(), and runs the query of a PREPARE with one OID at its EXECUTE.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING

from dsql_dialect.rules.settings import is_settable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster

_SET = re.compile(rb"SET (?:SESSION )?([A-Za-z_.]+)", re.I)
_SET_CONFIG = re.compile(rb"SELECT (?:pg_catalog\.)?set_config\(", re.I)
_LOCK = re.compile(rb"LOCK\b", re.I)
_PREPARE = re.compile(rb"PREPARE (\w+)\(pg_catalog\.oid\) AS\s(.*)", re.I | re.S)
_EXECUTE = re.compile(rb"EXECUTE (\w+)\('(\d+)'\)", re.I)
_READY = b"Z" + struct.pack("!I", 5)


class DumpProxy:
    """A proxy on loopback, port `port`, for one client."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._server = ("localhost", int(cluster.endpoint().partition(":")[2]))
        self._tls = ssl.create_default_context(cafile=str(cluster.ca_file))
        self._tls.set_alpn_protocols(["postgresql"])
        self._prepared: dict[bytes, bytes] = {}
        self._status = b"I"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Stop; returns when the client has gone."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            raw = socket.create_connection(self._server)
            with client, self._tls.wrap_socket(raw, server_hostname="localhost") as server:
                self._relay(client, server)

    def _relay(self, client: socket.socket, server: ssl.SSLSocket) -> None:
        stream = client.makefile("rb")
        while (startup := stream.read(struct.unpack("!I", head := stream.read(4))[0] - 4))[:2] == b"\x04\xd2":
            client.sendall(b"N")  # no encryption on this side
        server.sendall(head + startup)
        answers = threading.Thread(target=self._answer, args=(client, server))
        answers.start()
        while head := stream.read(5):
            self._ask(client, server, head[:1], stream.read(struct.unpack("!I", head[1:])[0] - 4))
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # wakes the other thread
        answers.join()

    def _answer(self, client: socket.socket, server: ssl.SSLSocket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := server.recv(65536):
                if data[-6:-1] == _READY:
                    self._status = data[-1:]
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def _ask(self, client: socket.socket, server: ssl.SSLSocket, kind: bytes, body: bytes) -> None:
        sql = body[:-1].strip()
        if kind == b"Q":
            if (tag := self._own_tag(sql)) is not None:
                client.sendall(_message(b"C", tag + b"\0") + _READY + self._status)
                return
            body = self._replaced(sql) + b"\0"
        server.sendall(_message(kind, body))

    def _own_tag(self, sql: bytes) -> bytes | None:
        """Return the command tag of a statement that the server does not see."""
        if (setting := _SET.match(sql)) and not is_settable(setting[1].decode()):
            return b"SET"
        if _LOCK.match(sql):
            return b"LOCK TABLE"
        if (prepare := _PREPARE.match(sql)) is not None:
            self._prepared[prepare[1]] = prepare[2]
            return b"PREPARE"
        return None

    def _replaced(self, sql: bytes) -> bytes:
        if _SET_CONFIG.match(sql):
            return b"SELECT NULL::text"
        execute = _EXECUTE.match(sql)
        if execute is None:
            return sql
        return self._prepared[execute[1]].replace(b"$1", b"'" + execute[2] + b"'::pg_catalog.oid")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


@contextlib.contextmanager
def dump_proxy(cluster: LocalCluster) -> Iterator[DumpProxy]:
    """Run a proxy before a cluster until the end of the block."""
    made = DumpProxy(cluster)
    try:
        yield made
    finally:
        made.close()
