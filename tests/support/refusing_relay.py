"""An endpoint that refuses the first logins with errors of DSQL, and then relays to a cluster."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING

from tests.support.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster


def refusal(sqlstate: str, text: str) -> bytes:
    """Return the message FATAL with a text and, unless it is empty, a SQLSTATE."""
    fields = [b"SFATAL", b"VFATAL", b"M" + text.encode()] + [b"C" + sqlstate.encode()] * bool(sqlstate)
    body = b"\0".join([*fields, b"", b""])
    return b"E" + struct.pack("!I", len(body) + 4) + body


class RefusingRelay(Relay):
    """A relay that answers the first clients itself."""

    def __init__(self, cluster: LocalCluster, answers: list[bytes]) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(
            cluster.folder.certificates / "server.pem", cluster.folder.certificates / "server.key"
        )
        self._context.set_alpn_protocols(["postgresql"])
        self._answers = list(answers)
        self._refusing = socket.create_server(("127.0.0.1", 0))
        self._cluster = ("127.0.0.1", int(cluster.endpoint().partition(":")[2]))
        super().__init__(self._refusing.getsockname())
        self._start(threading.Thread(target=self._refuse))

    def _refuse(self) -> None:
        for number, answer in enumerate(self._answers, 1):
            client, _ = self._refusing.accept()
            if number == len(self._answers):
                self._server = self._cluster  # before the answer: the client may connect again at once
            with (
                client,
                contextlib.suppress(OSError),
                self._context.wrap_socket(client, server_side=True) as tls,
            ):
                tls.recv(65536)
                tls.sendall(answer)
        self._refusing.close()


@contextlib.contextmanager
def refusing(cluster: LocalCluster, answers: list[bytes]) -> Iterator[Relay]:
    """Refuse as many logins as there are answers, until the end of the block."""
    made = RefusingRelay(cluster, answers)
    try:
        yield made
    finally:
        made.close()
