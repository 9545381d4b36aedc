"""Starting the server process of a folder, and hearing from it how that went."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_dsql.control.protocol import ControlConnection, decode
from local_dsql.errors import LocalDatabaseError, ServerError, ServerMismatchError
from local_dsql.storage.files import write_private
from local_dsql.storage.folder import unusable_folder
from local_dsql.storage.locks import FileLock

if TYPE_CHECKING:
    from local_dsql.storage.folder import Folder

START_TIMEOUT = 120.0
"""Seconds; a start takes one or two, more on a machine that is very busy."""

DEFAULT_DIALECT = "portable"
DEFAULT_REGIONS = ("us-east-1",)
STOP_TIMEOUT = 15.0
"""Seconds that a server gets to end before we stop watching it."""

_TAIL_LINES = 20
_DETACH = '"$@" &'
"""Shell command that leaves the server to the system, so that no starter has to wait for its end."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a folder is to be served.

    `commit_latency` is in seconds, the same for every Region.
    """

    folder: Folder
    dialect: str = DEFAULT_DIALECT
    regions: tuple[str, ...] = DEFAULT_REGIONS
    commit_latency: float = 0.0

    def arguments(self) -> list[str]:
        """Return the command line that says so."""
        regions = [argument for region in self.regions for argument in ("--region", region)]
        latency = ["--commit-latency", str(self.commit_latency)] if self.commit_latency else []
        return [str(self.folder.path), "--dialect", self.dialect, *regions, *latency]


def launch(options: ServerOptions) -> None:
    """Start the server process and return once its endpoints accept connections.

    Raises:
        LocalDatabaseError: it did not start, with its own error, or the end of its log where it left none.
    """
    folder = options.folder
    read_end, write_end = os.pipe()
    try:
        command = [sys.executable, "-P", "-m", "local_dsql.server", *options.arguments()]
        with folder.server_log.open("wb") as log:
            subprocess.run(
                ["/bin/sh", "-c", _DETACH, "sh", *command, "--startup-pipe", str(write_end)],
                pass_fds=(write_end,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=folder.path,
                env=_environment(),
                check=True,
            )
        os.close(write_end)
        write_end = -1
        answer = _read_line(read_end, START_TIMEOUT)
    except OSError as error:
        raise unusable_folder(folder.path, error) from None
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)
    if not answer:
        raise stopped_error(folder, "the local database did not start")
    decode(answer)


def connect(folder: Folder) -> ControlConnection | None:
    """Return a connection to the server of the folder, None where there is none."""
    try:
        path = Path(json.loads(folder.state_file.read_text())["control"])
        return ControlConnection(path)
    except (OSError, ValueError, KeyError):
        return None  # never started, stopped, or killed: the server's lock decides when a new one starts


def wait_for_end(folder: Folder, request: str) -> bool:
    """Send `leave` or `stop`, wait until the server is gone if it goes, and return whether there was one."""
    connection = connect(folder)
    if connection is None and not folder.path.is_dir():
        return False  # nobody has ever started one here
    stopping = connection is None or _request_end(connection, request)
    lock = FileLock(folder.server_lock)
    if stopping:
        with contextlib.suppress(TimeoutError):  # it hangs: the next start says so
            lock.lock_exclusive(STOP_TIMEOUT)
        lock.release()
    return connection is not None


def _request_end(connection: ControlConnection, request: str) -> bool:
    """Send the request and return whether the server is on its way out."""
    try:
        return bool(connection.call(request, {}).get("stopping", True))
    except (OSError, LocalDatabaseError):
        return True  # it hung up on us: that is what going looks like
    finally:
        connection.close()


def write_state(folder: Folder, control: Path) -> None:
    """Write where the server is to be found."""
    write_private(folder.state_file, json.dumps({"pid": os.getpid(), "control": str(control)}))


def stopped_error(folder: Folder, what: str) -> ServerError:
    """Return the error for a server that has ended, with the end of its log."""
    try:
        lines = folder.server_log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    except FileNotFoundError:
        lines = []
    why = "\n       ".join(lines) or "it was told to stop, or killed"
    return ServerError(f"{what} ({folder.path})", why, "start it again; what was committed is still there")


def unresponsive_error(folder: Folder, error: TimeoutError) -> ServerMismatchError:
    """Return the error for a server that neither serves nor ends."""
    return ServerMismatchError(
        f"{folder.path} is in use, and its server does not answer",
        str(error),
        f"find the process with: fuser '{folder.server_lock}', end it, then start again",
    )


def _environment() -> dict[str, str]:
    """Return our environment with this very package first on the path, and without settings of libpq."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    paths = [str(Path(__file__).parents[2]), ours.get("PYTHONPATH", "")]
    return ours | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _read_line(descriptor: int, timeout: float) -> bytes:
    """Read up to a line's end, the end of the pipe, or the end of our patience (seconds)."""
    deadline = time.monotonic() + timeout
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(descriptor, 65_536) if ready else b""
        if not chunk:
            return b""
        text += chunk
    return text
