"""A reserved port: clients are refused or wait, and no other program takes it."""

from __future__ import annotations

import socket
import sys

import pytest

from local_dsql.proxy.ports import ReservedPort

BINDS = {
    "plain": lambda port: _bind(port, "127.0.0.1"),
    "with SO_REUSEADDR": lambda port: _bind(port, "127.0.0.1", socket.SO_REUSEADDR),
    "with SO_REUSEPORT": lambda port: _bind(port, "127.0.0.1", socket.SO_REUSEPORT),
    "all addresses": lambda port: _bind(port, "0.0.0.0", socket.SO_REUSEADDR),
    "another reservation": ReservedPort,
}


def _bind(port: int, host: str, option: int | None = None) -> None:
    with socket.socket() as other:
        if option is not None:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        other.bind((host, port))


@pytest.mark.parametrize("bind", BINDS.values(), ids=BINDS)
@pytest.mark.parametrize("refusing", [False, True], ids=["listening", "refusing"])
def test_no_other_program_takes_the_port(refusing: bool, bind: object) -> None:
    if refusing and sys.platform != "linux":
        pytest.skip("only Linux keeps the port of a socket that does not listen")
    assert callable(bind)
    port = ReservedPort()
    if refusing:
        port.refuse()
    with pytest.raises(OSError, match="in use"):
        bind(port.number)
    port.close()


def test_clients_wait_or_are_refused() -> None:
    port = ReservedPort()
    for _ in range(3):
        socket.create_connection(("127.0.0.1", port.number)).close()
        port.refuse()
        port.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port.number))
        for listening in port.listen():
            listening.close()
    port.close()


def test_a_closed_port_is_free() -> None:
    port = ReservedPort()
    port.close()
    _bind(port.number, "127.0.0.1")
