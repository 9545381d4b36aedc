"""What the server process is told by whoever started it, and tells back."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from typing import TYPE_CHECKING

from local_dsql.client.launch import ServerOptions
from local_dsql.control.protocol import encode_error
from local_dsql.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Sequence


class StartupPipe:
    """The process that waits to hear how the start went, at the other end of a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        os.set_inheritable(descriptor, False)  # PostgreSQL must not keep the pipe open

    def send_ready(self) -> None:
        """Say that the endpoints accept connections."""
        self._send(json.dumps({"result": {}}))

    def send_failure(self, error: Exception) -> None:
        """Say why there is no server; nothing happens where `send_ready` was called before."""
        self._send(json.dumps(encode_error(error)))

    def _send(self, line: str) -> None:
        if self._descriptor is None:
            return
        with contextlib.suppress(BrokenPipeError):  # the starter has ended; the users lock tells who is left
            os.write(self._descriptor, f"{line}\n".encode())
        os.close(self._descriptor)
        self._descriptor = None


def read_arguments(arguments: Sequence[str]) -> tuple[ServerOptions, StartupPipe]:
    """Return what a command line made by `launch` says."""
    parser = argparse.ArgumentParser(prog="local_dsql.server")
    parser.add_argument("folder", type=Folder.at)
    parser.add_argument("--dialect", required=True)
    parser.add_argument("--region", action="append", required=True)
    parser.add_argument("--commit-latency", type=float, default=0.0)
    parser.add_argument("--startup-pipe", type=int, required=True, help="descriptor to tell the outcome to")
    given = parser.parse_args(arguments)
    options = ServerOptions(given.folder, given.dialect, tuple(given.region), given.commit_latency)
    return options, StartupPipe(given.startup_pipe)
