"""The HTTP server on loopback: it is closed at once, whatever holds a copy of its sockets."""

from __future__ import annotations

import os
import time
from urllib.request import urlopen

from blocks_cli.lambda_.http_server import RequestHandler, Server
from tests.support.timing import TooSlowError, unless_busy

SERVERS = 30


class Answering(RequestHandler):
    """Reply to every GET."""

    def do_GET(self) -> None:
        self.reply(200, b"here")


def test_a_server_ends_without_a_wait() -> None:
    """A deploy closes several; a server that looks for its end at intervals takes an interval for each."""

    def closed() -> None:
        servers = [Server(Answering) for _ in range(SERVERS)]
        for server in servers:
            with urlopen(f"http://{server.address}/") as response:
                assert response.read() == b"here"
        began = time.monotonic()
        for server in servers:
            server.close()
        if time.monotonic() - began > SERVERS * 0.01:
            raise TooSlowError(f"{SERVERS} servers took {time.monotonic() - began:.2f} s to close")

    unless_busy(closed)


def test_a_server_may_be_closed_twice() -> None:
    server = Server(Answering)
    server.close()
    server.close()


def test_a_forked_process_keeps_no_server_open() -> None:
    server = Server(Answering)
    waits, ends = os.pipe()
    forked = os.fork()
    if not forked:
        os.close(ends)
        os.read(waits, 1)
        os._exit(0)
    server.close()
    os.close(ends)
    os.waitpid(forked, 0)
    os.close(waits)
