"""Tables over TLS, for threads, asyncio and uvloop: verified certificates, large messages, closed connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import uvloop

from blocks_runtime import AsyncAtomicTable, AtomicTable, Item
from blocks_runtime.contract import TableVariables
from blocks_runtime.errors import ConfigurationError, ConnectionFailed
from local_dsql.tls.store import CertificateStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local_dynamodb import LocalDynamo


class Terminator:
    """A server that decrypts TLS, and relays to an endpoint without TLS."""

    def __init__(self, certificates: CertificateStore, port: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.server_certificate, certificates.server_key)
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                with contextlib.suppress(OSError):  # a client that does not trust us
                    client = self._context.wrap_socket(plain, server_side=True)
                    server = socket.create_connection(self._target)
                    self._open += [client, server]
                    for pair in ((client, server), (server, client)):
                        self._threads.append(threading.Thread(target=self._relay, args=pair))
                        self._threads[-1].start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        self._shut(source, sink)

    def _shut(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Close all connections."""
        self._shut(*self._open)

    def close(self) -> None:
        """Close everything."""
        self._shut(self._listener, *self._open)
        self._listener.close()
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()


@pytest.fixture
def terminator(dynamo: LocalDynamo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminator]:
    """An endpoint with TLS, which the environment names with its certificate authority."""
    (tmp_path / "tls").mkdir()
    certificates = CertificateStore(tmp_path / "tls", tmp_path / "ca.pem", "table")
    certificates.ensure(["localhost"])
    dynamo.create_table("t")
    made = Terminator(certificates, int(dynamo.url.rpartition(":")[2]))
    variables = dynamo.environment() | TableVariables("t", "us-east-1").environment("locks")
    variables |= {
        "AWS_ENDPOINT_URL_DYNAMODB": f"https://localhost:{made.port}",
        "AWS_CA_BUNDLE": str(tmp_path / "ca.pem"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


LARGE = "x" * 300_000


async def use(cut: Callable[[], None]) -> None:
    async with AsyncAtomicTable("locks") as table:
        await table.set([Item("p", str(n), LARGE) for n in range(5)])
        items = await table.query("p")
        assert [item.data for item in items] == [LARGE] * 5
        cut()
        assert len(await table.query("p")) == 5
        await asyncio.gather(*(table.get(("p", str(n))) for n in range(5)))


def test_threads(terminator: Terminator) -> None:
    with AtomicTable("locks") as table:
        table.set([Item("p", str(n), LARGE) for n in range(5)])
        assert [item.data for item in table.query("p")] == [LARGE] * 5
        terminator.cut()
        assert len(table.query("p")) == 5


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_tasks(terminator: Terminator, run: Callable[..., None]) -> None:
    run(use(terminator.cut))


def test_another_authority_is_refused(terminator: Terminator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")  # Amazon's roots then

    async def scene() -> None:
        async with AsyncAtomicTable("locks") as table:
            with pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
                await table.get(("p", "s"))
            assert table.stats.refused == 1

    with AtomicTable("locks") as table, pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
        table.get(("p", "s"))
    asyncio.run(scene())


def test_another_name_is_refused(terminator: Terminator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"https://127.0.0.1:{terminator.port}")
    with AtomicTable("locks") as table, pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"):
        table.get(("p", "s"), deadline=0.5)


def test_an_authority_that_cannot_be_read(terminator: Terminator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/does/not/exist.pem")
    with pytest.raises(ConfigurationError, match="AWS_CA_BUNDLE"):
        AtomicTable("locks").get(("p", "s"))
