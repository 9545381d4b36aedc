"""The startup phase: encryption requests, protocol negotiation, timeouts, sizes, the connection limit."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import struct
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local_dsql.postgres.settings import SETTINGS
from local_dsql.proxy.listener import Endpoint
from local_dsql.proxy.ports import ReservedPort
from local_dsql.wire import messages
from local_dsql.wire.frames import FrameReader
from local_dsql.wire.message_types import BackendMessage, FrontendMessage
from tests.local_dsql.proxy.cluster import REGION, Cluster
from tests.local_dsql.proxy.raw_client import RawClient
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STARTUP = {"user": "admin", "database": "postgres"}
SSL_REQUEST = struct.pack("!II", 8, messages.SSL_REQUEST)
GSS_REQUEST = struct.pack("!II", 8, messages.GSS_REQUEST)


def connect(cluster: Cluster, port: int | None = None) -> socket.socket:
    """Return a plain connection to the proxy."""
    return socket.create_connection(("127.0.0.1", port or cluster.port), timeout=10)


def received(connected: socket.socket) -> bytes:
    """Return all that arrives until the connection is closed."""
    data = b""
    while True:
        try:
            piece = connected.recv(65536)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


# encryption requests


def test_a_gss_request_is_refused_once(cluster: Cluster) -> None:
    """As PostgreSQL does: TLS may follow; a second request is no protocol version."""
    with connect(cluster) as client:
        client.sendall(GSS_REQUEST + SSL_REQUEST)
        answer = b""
        while len(answer) < 2:
            answer += client.recv(65536)
    assert answer == messages.ENCRYPTION_REFUSED + messages.ENCRYPTION_ACCEPTED
    with connect(cluster) as client:
        client.sendall(GSS_REQUEST * 5000)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(65536):
                answer += piece
    assert answer.startswith(messages.ENCRYPTION_REFUSED + b"E")
    assert b"unsupported frontend protocol 1234.5680" in answer


# negotiation

NEGOTIATIONS = {
    "protocol 3.2": (messages.PROTOCOL_3 + 2, {}),
    "an option": (messages.PROTOCOL_3, {"_pq_.compression": "zstd"}),
    "two options": (messages.PROTOCOL_3, {"_pq_.a": "1", "_pq_.b": "2"}),
    "protocol 3.2 and an option": (messages.PROTOCOL_3 + 2, {"_pq_.a": "1"}),
}


@pytest.mark.parametrize(("version", "options"), NEGOTIATIONS.values(), ids=NEGOTIATIONS)
def test_negotiation_is_that_of_postgresql(cluster: Cluster, version: int, options: dict[str, str]) -> None:
    with socket.socket(socket.AF_UNIX) as direct:
        direct.connect(f"{cluster.sockets}/.s.PGSQL.{cluster.postgres.port}")
        startup = messages.startup({"user": "postgres", "database": "postgres", **options}, version)
        direct.sendall(startup)
        kind, expected = FrameReader().feed(direct.recv(65536))[0]
    assert kind == BackendMessage.NEGOTIATE_PROTOCOL_VERSION
    with RawClient(cluster) as client:
        client.send(messages.startup(STARTUP | options, version))
        assert client.read(BackendMessage.AUTHENTICATION)[0] == (kind, expected)
        client.send(messages.frame(FrontendMessage.PASSWORD, messages.cstring(cluster.token())))
        assert client.read(BackendMessage.READY_FOR_QUERY)


def test_no_negotiation_without_need(cluster: Cluster) -> None:
    with RawClient(cluster) as client:
        client.send(messages.startup(STARTUP))
        assert len(client.read(BackendMessage.AUTHENTICATION)) == 1


def test_another_major_version(cluster: Cluster) -> None:
    with RawClient(cluster) as client:
        client.send(messages.startup(STARTUP, 4 << 16))
        ((kind, raw),) = client.read(BackendMessage.ERROR_RESPONSE)
    assert kind == BackendMessage.ERROR_RESPONSE
    assert messages.read_fields(raw)["M"] == "unsupported frontend protocol 4.0: server supports 3.0 to 3.0"


def test_password_in_the_packet_of_the_startup_message(cluster: Cluster) -> None:
    """Bytes in the packet of the startup message were lost."""
    with RawClient(cluster) as client:
        password = messages.frame(FrontendMessage.PASSWORD, messages.cstring(cluster.token()))
        client.send(messages.startup(STARTUP) + password)
        assert client.read(BackendMessage.READY_FOR_QUERY)


# timeouts


def silent(cluster: Cluster, port: int) -> socket.socket:
    return connect(cluster, port)


def half_a_startup_message(cluster: Cluster, port: int) -> socket.socket:
    client = connect(cluster, port)
    client.sendall(SSL_REQUEST[:5])
    return client


def half_a_handshake(cluster: Cluster, port: int) -> socket.socket:
    client = connect(cluster, port)
    client.sendall(SSL_REQUEST)
    assert client.recv(1) == messages.ENCRYPTION_ACCEPTED
    client.sendall(b"\x16\x03\x01\x02\x00\x01")
    return client


def no_startup_message(cluster: Cluster, port: int) -> socket.socket:
    client = connect(cluster, port)
    context = ssl.create_default_context(cafile=str(cluster.ca))
    context.set_alpn_protocols(["postgresql"])
    return context.wrap_socket(client, server_hostname="localhost")


def no_password(cluster: Cluster, port: int) -> socket.socket:
    client = no_startup_message(cluster, port)
    client.sendall(messages.startup(STARTUP))
    return client


@pytest.fixture(scope="module")
def hasty(cluster: Cluster) -> Iterator[Endpoint]:
    """An endpoint with a login timeout of 0.5 s."""
    context = dataclasses.replace(cluster.proxy.context(REGION), login_timeout=0.5)
    port = ReservedPort()
    endpoint = Endpoint(context, cluster.proxy.tls, port)
    cluster.run(endpoint.open())
    yield endpoint
    cluster.run(endpoint.close())
    port.close()


@pytest.mark.parametrize(
    ("begin", "timed_out"),
    [
        (silent, False),
        (half_a_startup_message, False),
        (half_a_handshake, False),
        (no_startup_message, False),
        (no_password, True),
    ],
)
def test_login_timeout(
    cluster: Cluster, hasty: Endpoint, begin: Callable[[Cluster, int], socket.socket], timed_out: bool
) -> None:
    """A client that stops before it is logged in is dropped; with an error once it has sent a startup message."""
    began = time.monotonic()
    with begin(cluster, hasty.port.number) as client:
        data = received(client)
    assert 0.4 < time.monotonic() - began < 5
    assert (b"canceling authentication due to timeout" in data) == timed_out
    wait_until(lambda: not hasty.connections)  # the client may see the end before the proxy has counted it


def test_the_timeout_ends_with_the_login(cluster: Cluster, hasty: Endpoint) -> None:
    with cluster.connect(port=hasty.port.number) as connection:
        time.sleep(0.7)
        assert connection.execute("SELECT 1").fetchone() == (1,)


# sizes


def test_a_password_has_a_largest_size(cluster: Cluster) -> None:
    """A client that is not logged in cannot make the proxy keep more than 64 KiB."""
    with RawClient(cluster) as client:
        client.send(messages.startup(STARTUP))
        client.read(BackendMessage.AUTHENTICATION)
        client.send(FrontendMessage.PASSWORD + struct.pack("!I", 65_536) + bytes(100))
        ((_, raw),) = client.read(BackendMessage.ERROR_RESPONSE)
    assert messages.read_fields(raw)["M"] == "invalid message length"


def test_a_startup_message_has_a_largest_size(cluster: Cluster) -> None:
    with connect(cluster) as client:
        client.sendall(struct.pack("!II", 10_001, messages.PROTOCOL_3) + bytes(1000))
        data = received(client)
    assert b"invalid length of startup packet" in data


def test_a_handshake_has_a_largest_size(cluster: Cluster) -> None:
    """TLS records that never become a handshake are refused before they fill the memory."""
    record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(0x4000 - 4)
    with connect(cluster) as client, pytest.raises(OSError):
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == messages.ENCRYPTION_ACCEPTED
        for _ in range(4096):
            client.sendall(record)


# refusals


def refusal(client: socket.socket | RawClient, cluster: Cluster) -> tuple[str, str]:
    """Return SQLSTATE and message of the answer to a login with a token of admin."""
    user = "admin" if isinstance(client, socket.socket) else "missing"
    startup = messages.startup(STARTUP | {"user": user})
    if isinstance(client, socket.socket):
        client.sendall(startup)
        frames = FrameReader().feed(received(client))
    else:
        client.send(startup, messages.frame(FrontendMessage.PASSWORD, messages.cstring(cluster.token())))
        frames = client.read(BackendMessage.ERROR_RESPONSE)
    fields = messages.read_fields(frames[-1][1])
    return fields["C"], fields["M"]


def test_the_sqlstate_of_a_refused_login(cluster: Cluster) -> None:
    with connect(cluster) as plain:
        assert refusal(plain, cluster) == ("08P01", "unable to accept connection, SSL is mandatory")
    with RawClient(cluster) as client:
        assert refusal(client, cluster) == ("08P01", "unable to accept connection, access denied")


# the connection limit


def test_the_text_of_dsql_at_the_connection_limit() -> None:
    """PostgreSQL's text was that of a server which the client does not know."""
    cluster = Cluster(settings=SETTINGS | {"max_connections": "10"})
    try:
        with ExitStack() as stack, pytest.raises(psycopg.OperationalError) as raised:
            for _ in range(11):
                stack.enter_context(cluster.connect())
        assert "Unable to accept connection, too many open connections." in str(raised.value)
        with cluster.connect() as connection:
            row: tuple[Any, ...] | None = connection.execute("SELECT 1").fetchone()
            assert row == (1,)
    finally:
        cluster.close()
