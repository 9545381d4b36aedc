"""A server that appends to files for functions, which may not write any themselves."""

from __future__ import annotations

import functools
from pathlib import Path

from blocks_cli.lambda_.http_server import RequestHandler, Server


class _JournalHandler(RequestHandler):
    def do_GET(self) -> None:
        file = Path(self.path)
        self.reply(200, file.read_bytes() if file.exists() else b"")

    def do_POST(self) -> None:
        with Path(self.path).open("ab") as file:
            file.write(self.body())
        self.reply(200)


@functools.cache
def _server() -> Server:
    return Server(_JournalHandler)


def url_of(file: Path) -> str:
    """Return the URL of a file: GET reads it, POST appends to it. It is the same during a test session."""
    return f"http://{_server().address}{file}"
