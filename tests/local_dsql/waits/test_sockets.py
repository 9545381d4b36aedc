"""Connections that say nothing, too much, or something new."""

from __future__ import annotations

import resource
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from local_dsql.wire import messages
from local_dsql.wire.message_types import FrontendMessage
from tests.local_dsql.differential.wire_session import Request, WireSession
from tests.local_dsql.raw_endpoint import RawEndpoint
from tests.local_dsql.waits.sessions import Pulse, opened, said, within
from tests.support.timing import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_dsql import LocalCluster
    from local_dsql.wire.frames import Frame
    from tests.local_dsql.proxy.cluster import Cluster

PATIENCE = 65.0
"""Seconds within which a client that does not log in must have been hung up on (PostgreSQL's own limit is 60)."""
_MEBIBYTE = 1 << 20
_SSL = struct.pack("!II", 8, messages.SSL_REQUEST)
_GSS = struct.pack("!II", 8, messages.GSS_REQUEST)


def _silent(endpoint: RawEndpoint) -> socket.socket:
    return socket.create_connection(("127.0.0.1", endpoint.port or 0), timeout=PATIENCE)


def _half_tls(endpoint: RawEndpoint) -> socket.socket:
    plain = _silent(endpoint)
    plain.sendall(_SSL)
    assert plain.recv(1) == b"S"
    plain.sendall(b"\x16\x03\x01")  # the beginning of a ClientHello
    return plain


def _half_startup(endpoint: RawEndpoint) -> socket.socket:
    plain = _silent(endpoint)
    plain.sendall(_SSL[:5])
    return plain


def _half_login(endpoint: RawEndpoint) -> socket.socket:
    client = endpoint.connect()
    client.send(messages.startup({"user": "admin", "database": "postgres"}))
    client.read(b"R")
    client.socket.settimeout(PATIENCE)
    return client.socket


HALVES: dict[str, Callable[[RawEndpoint], socket.socket]] = {
    "silent": _silent,
    "half a request": _half_startup,
    "half a TLS handshake": _half_tls,
    "half a login": _half_login,
}


@pytest.mark.slow
def test_a_client_that_does_not_log_in_is_hung_up_on(local: LocalCluster) -> None:
    """Silent, within a request, within the TLS handshake, before the password."""
    endpoint = RawEndpoint(local)
    sockets = {name: connect(endpoint) for name, connect in HALVES.items()}
    deadline = time.monotonic() + PATIENCE
    still = []
    for name, connected in sockets.items():
        connected.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            while connected.recv(1024):
                pass
        except TimeoutError:
            still.append(name)
        except (ConnectionError, ssl.SSLError):
            pass  # closed within a record
        finally:
            connected.close()
    assert not still


@pytest.mark.parametrize("requests", [5_000, 20_000])
def test_many_gss_requests_hold_up_no_session(local: LocalCluster, requests: int) -> None:
    """They are answered or refused, other sessions are answered meanwhile, and the server lives."""
    endpoint = RawEndpoint(local)

    def measure() -> float:
        with Pulse(local) as pulse:
            with _silent(endpoint) as connected:
                connected.settimeout(10)
                connected.sendall(_GSS * requests)
                try:
                    while connected.recv(65536) not in (b"", b"N" * requests):
                        connected.settimeout(0.5)
                except (TimeoutError, ConnectionError):
                    pass  # it waits for the next request, or has hung up
            time.sleep(0.1)
        return pulse.longest

    within(LONGEST, measure)
    with opened(local, count=1) as (session,):
        assert session.ask("SELECT 1").rows == ((b"1",),)
    log = "".join(
        file.read_text(errors="replace") for file in local.folder.path.glob("*log*") if file.is_file()
    )
    assert "RecursionError" not in log


def _startup(version: int, parameters: dict[str, str]) -> bytes:
    body = messages.startup(parameters)[8:]
    return struct.pack("!II", len(body) + 8, version) + body


def _logged_in(local: LocalCluster, startup: bytes) -> list[Frame]:
    endpoint = RawEndpoint(local)
    with endpoint.connect() as client:
        client.send(startup)
        frames = client.read(b"R")
        client.send(messages.frame(b"p", messages.cstring(endpoint.token())))
        return frames + client.read(b"Z")


@pytest.mark.parametrize(
    ("minor", "extra", "refused"),
    [
        (2, {}, []),
        (99, {}, []),
        (0, {"_pq_.test_option": "on"}, ["_pq_.test_option"]),
        (2, {"_pq_.a": "1", "_pq_.b": "2"}, ["_pq_.a", "_pq_.b"]),
    ],
)
def test_newer_protocols_are_negotiated(
    local: LocalCluster, minor: int, extra: dict[str, str], refused: list[str]
) -> None:
    """NegotiateProtocolVersion names the newest minor version and every unknown option; the login goes on."""
    frames = _logged_in(
        local, _startup(messages.PROTOCOL_3 + minor, {"user": "admin", "database": "postgres", **extra})
    )
    negotiated = [raw for kind, raw in frames if kind == b"v"]
    assert len(negotiated) == 1, [kind for kind, _ in frames]
    newest, count = struct.unpack_from("!II", negotiated[0], 5)
    assert newest <= messages.PROTOCOL_3 + minor
    assert newest >> 16 == 3
    options = negotiated[0][13:].split(b"\0")[:-1]
    assert (count, sorted(option.decode() for option in options)) == (len(refused), refused)
    assert frames[-1] == (b"Z", messages.READY[messages.IDLE])


def test_the_plain_protocol_is_not_negotiated(local: LocalCluster) -> None:
    """A client of version 3.0 without options sees no message that it may not know."""
    frames = _logged_in(local, messages.startup({"user": "admin", "database": "postgres"}))
    assert b"v" not in {kind for kind, _ in frames}


@pytest.fixture
def crowd(local: LocalCluster) -> Iterator[list[WireSession]]:
    """Sessions until one is refused."""
    sessions: list[WireSession] = []
    yield sessions
    for session in sessions:
        session.close()


@pytest.mark.slow
def test_one_connection_too_many_gets_the_text_of_dsql(local: LocalCluster, crowd: list[WireSession]) -> None:
    """SQLSTATE 53300 and DSQL's words; after a connection has ended there is room again."""
    with pytest.raises(ConnectionError) as raised:
        for _ in range(600):
            crowd.append(WireSession(local.dsn()))
    assert "Unable to accept connection, too many open connections." in str(raised.value)
    assert len(crowd) >= 250
    while len(crowd) > 200:
        crowd.pop().close()
    time.sleep(0.2)
    with opened(local, count=1) as (session,):
        said(session, "SELECT 1")
    endpoint = RawEndpoint(local)
    while True:
        with endpoint.connect() as client:
            frames = client.log_in(cast("Cluster", endpoint), endpoint.user)
        if frames[-1][0] != b"Z":
            break
        crowd.append(WireSession(local.dsn()))
    errors = [messages.read_fields(raw) for kind, raw in frames if kind == b"E"]
    assert [error["C"] for error in errors] == ["53300"]


@pytest.fixture
def resident(local: LocalCluster) -> Callable[[], int]:
    """Return a function that returns the bytes of memory of the server process."""
    server = Path(f"/proc/{local.status.pid}/statm")
    if not server.exists():
        pytest.skip("this system has no /proc")
    return lambda: int(server.read_text().split()[1]) * resource.getpagesize()


_LONG_PARSE = messages.parse(b"SELECT 1" + b" " * 4000)
MESSAGES_WITHOUT_SYNC: dict[str, bytes] = {
    "statements": _LONG_PARSE + messages.bind() + messages.execute(),
    "after an error": messages.bind(name=b"unknown") + _LONG_PARSE,
    "rows of no COPY": messages.frame(FrontendMessage.COPY_DATA, b"x" * 1000),
}


@pytest.mark.parametrize("kind", MESSAGES_WITHOUT_SYNC)
def test_messages_without_sync_are_bounded(
    local: LocalCluster, resident: Callable[[], int], kind: str
) -> None:
    """The server process keeps little of 16 MiB of messages, and the Sync behind them is answered."""
    endpoint = RawEndpoint(local)
    with endpoint.connect() as client:
        client.log_in(cast("Cluster", endpoint), endpoint.user)
        before = resident()
        many = MESSAGES_WITHOUT_SYNC[kind] * (_MEBIBYTE // 4 // len(MESSAGES_WITHOUT_SYNC[kind]))
        reader = threading.Thread(target=client.read, args=(b"Z",))
        reader.start()
        for _ in range(64):
            client.send(many)
        most = resident()
        client.send(messages.SYNC)
        reader.join(30)
        assert not reader.is_alive()
    assert (most - before) / _MEBIBYTE < 8


@pytest.mark.slow
def test_copy_of_300_mb_is_bounded(local: LocalCluster, resident: Callable[[], int]) -> None:
    """The server process grows by less than 100 MiB, though a transaction holds 10 MiB and the COPY must fail."""
    line = f"1\t{'x' * 1000}\n"
    with opened(local, "CREATE TABLE bulk (id int, v text)", count=1) as (session,), Pulse(local) as pulse:
        before = resident()
        session.start(Request("COPY bulk FROM STDIN", copy=line * (300 * _MEBIBYTE // len(line))))
        most = before
        while not session.poll(0.02):
            most = max(most, resident())
        most = max(most, resident())
        assert session.take().sqlstate == "54000", session.take()
        assert said(session, "SELECT count(*) FROM bulk").rows == ((b"0",),)
    assert pulse.longest < LONGEST
    assert (most - before) / _MEBIBYTE < 100
