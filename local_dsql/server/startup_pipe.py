"""Arguments of the server process, and the pipe for its startup result."""

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
    """Pipe to the process that started the server and waits for the result."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        os.set_inheritable(descriptor, False)  # PostgreSQL must not inherit the pipe

    def send_ready(self) -> None:
        """Report that the endpoints accept connections."""
        self._send(json.dumps({"result": {}}))

    def send_failure(self, error: Exception) -> None:
        """Report why the start failed; no effect after `send_ready`."""
        self._send(json.dumps(encode_error(error)))

    def _send(self, line: str) -> None:
        if self._descriptor is None:
            return
        with contextlib.suppress(
            BrokenPipeError
        ):  # the reader has ended; the users lock decides how long to serve
            os.write(self._descriptor, f"{line}\n".encode())
        os.close(self._descriptor)
        self._descriptor = None


def read_arguments(arguments: Sequence[str]) -> tuple[Folder, ServerOptions, StartupPipe]:
    """Parse the arguments that `launch` passes."""
    parser = argparse.ArgumentParser(prog="local_dsql.server")
    parser.add_argument("folder", type=Folder.at)
    parser.add_argument("options", type=ServerOptions.decode)
    parser.add_argument("--startup-pipe", type=int, required=True, help="descriptor for the startup result")
    given = parser.parse_args(arguments)
    return given.folder, given.options, StartupPipe(given.startup_pipe)
