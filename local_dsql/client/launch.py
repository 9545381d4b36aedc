"""Start the server process of a folder, read its startup result, and stop it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_settings.regions import DEFAULT_REGION
from dsql_dialect.profiles import DEFAULT
from local_dsql.control.protocol import ControlConnection, decode
from local_dsql.errors import LocalDatabaseError, ServerError, ServerMismatchError
from local_dsql.storage.files import write_private
from local_dsql.storage.folder import unusable_folder
from local_dsql.storage.locks import FileLock

if TYPE_CHECKING:
    from local_dsql.storage.folder import Folder

START_TIMEOUT = 120.0
"""Seconds; a start takes one or two, more on a loaded machine."""

DEFAULT_DIALECT = DEFAULT.name
DEFAULT_REGIONS = (DEFAULT_REGION,)
STOP_TIMEOUT = 15.0
"""Seconds to wait for the end of a server."""

ANSWER_TIMEOUT = 60.0
"""Seconds to wait for the answer to a request; a reset takes the longest."""

SUSPEND_ALWAYS = os.environ.get("BLOCKS_SUSPEND_ALWAYS") == "1"
"""True in tests of the engine: every server that this process starts has the option `suspend_always`."""

_TAIL_LINES = 20
_DETACH = '"$@" &'
"""Shell command that starts the server in the background, so that it is not our child and needs no wait()."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Options of a server, with what its users can change while it runs.

    `commit_latency` is in seconds, the same for every Region. `suspend_always` is for tests of the engine. `port` is
    that of the first Region; the others have the next ones. None: free ports, the same in each start.

    `stopped_regions` and `unavailable_regions` have closed endpoints: by `LocalCluster.stop_region`, and because the
    control plane says so. `job_delay` are the seconds of `LocalCluster.delay_jobs`.
    """

    dialect: str = DEFAULT_DIALECT
    regions: tuple[str, ...] = DEFAULT_REGIONS
    commit_latency: float = 0.0
    suspend_always: bool = False
    port: int | None = None
    stopped_regions: tuple[str, ...] = ()
    unavailable_regions: tuple[str, ...] = ()
    job_delay: float = 0.0

    def encode(self) -> str:
        """Return the options as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> ServerOptions:
        """Return the options that `encode` has written.

        Raises:
            ValueError: it is other text.
        """
        try:
            given = json.loads(text)
            lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
            return cls(**(given | lists))
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not the options of a server: {error}") from None

    def keep(self, folder: Folder) -> None:
        """Write the options of the running server, for the next one that its users start.

        Raises:
            OSError: the folder cannot be written.
        """
        write_private(folder.options_file, self.encode())

    @classmethod
    def kept(cls, folder: Folder) -> ServerOptions | None:
        """Return the options of the last server of the folder; None if its users have all left it."""
        try:
            return cls.decode(folder.options_file.read_text("utf-8"))
        except (OSError, ValueError):
            return None


def launch(folder: Folder, options: ServerOptions) -> None:
    """Start the server process of a folder and return once its endpoints accept connections.

    Raises:
        LocalDatabaseError: it did not start; with the server's own error, or else the end of its log.
    """
    import subprocess  # a user of a running server needs it never

    read_end, write_end = os.pipe()
    try:
        command = [sys.executable, "-P", "-m", "local_dsql.server", str(folder.path), options.encode()]
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
    """Return a connection to the server of the folder, or None if none is running."""
    try:
        path = Path(json.loads(folder.state_file.read_text())["control"])
        return ControlConnection(path, ANSWER_TIMEOUT)
    except (OSError, ValueError, KeyError):
        return None  # never started, stopped, or killed: a new server starts once the server lock is free


def wait_for_end(folder: Folder, request: str) -> bool:
    """Send the request `leave` or `stop`, wait for the end of a server that ends, and return whether there was one.

    Raises:
        ServerMismatchError: the server does not answer.
    """
    connection = connect(folder)
    if connection is None and not folder.path.is_dir():
        return False  # no server was ever started here
    try:
        stopping = connection is None or _request_end(connection, request)
    except TimeoutError as error:
        raise unresponsive_error(folder, error) from None
    lock = FileLock(folder.server_lock)
    if stopping:
        with contextlib.suppress(TimeoutError):  # it hangs; the next start reports it
            lock.lock_exclusive(STOP_TIMEOUT)
        lock.release()
    return connection is not None


def _request_end(connection: ControlConnection, request: str) -> bool:
    """Send the request and return whether the server is shutting down.

    Raises:
        TimeoutError: it does not answer.
    """
    try:
        return bool(connection.call(request, {}).get("stopping", True))
    except TimeoutError:
        raise
    except (OSError, LocalDatabaseError):
        return True  # a server that shuts down closes its connections
    finally:
        connection.close()


def write_state(folder: Folder, control: Path) -> None:
    """Write the address of the control socket, for `connect`."""
    write_private(folder.state_file, json.dumps({"pid": os.getpid(), "control": str(control)}))


def stopped_error(folder: Folder, what: str) -> ServerError:
    """Return the error for a stopped server, with the end of its log."""
    try:
        lines = folder.server_log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    except FileNotFoundError:
        lines = []
    why = "\n       ".join(lines) or "it was stopped by a command, or killed"
    return ServerError(f"{what} ({folder.path})", why, "start it again; committed data is kept")


def unresponsive_error(folder: Folder, error: TimeoutError) -> ServerMismatchError:
    """Return the error for a server that does not answer and does not end."""
    return ServerMismatchError(
        f"{folder.path} is in use, and its server does not answer",
        str(error),
        f"find the process with: fuser '{folder.server_lock}', kill it, then start again",
    )


def _environment() -> dict[str, str]:
    """Return our environment with this package first on PYTHONPATH and without libpq's variables."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    paths = [str(Path(__file__).parents[2]), ours.get("PYTHONPATH", "")]
    return ours | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _read_line(descriptor: int, timeout: float) -> bytes:
    """Read up to the end of a line, the end of the pipe, or the timeout (seconds)."""
    deadline = time.monotonic() + timeout
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(descriptor, 65_536) if ready else b""
        if not chunk:
            return b""
        text += chunk
    return text
