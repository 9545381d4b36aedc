"""The server process of one folder, started by `local_dsql.client.launch`.

PostgreSQL takes a while to start, so it is started first, and the rest is imported meanwhile.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
from typing import TYPE_CHECKING

from local_dsql.client.launch import STOP_TIMEOUT, unresponsive_error
from local_dsql.errors import LocalDatabaseError
from local_dsql.server.instance import Instance
from local_dsql.server.startup_pipe import StartupPipe, read_arguments
from local_dsql.storage.folder import unusable_folder
from local_dsql.storage.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_dsql.client.launch import ServerOptions
    from local_dsql.storage.folder import Folder

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Serve a folder; return 0, or 1 after an error, which is sent through the startup pipe and logged."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # background jobs of a shell ignore it; PostgreSQL must not
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    folder, options, pipe = read_arguments(arguments)
    lock = FileLock(folder.server_lock)
    try:
        lock.lock_exclusive(STOP_TIMEOUT)  # the previous server may still be shutting down
        serve(folder, options, pipe)
    except Exception as error:
        failure = _explain(error, folder)
        pipe.send_failure(failure)
        if not isinstance(failure, (LocalDatabaseError, ValueError)):
            raise
        log.error("%s", failure)
        return 1
    return 0


def serve(folder: Folder, options: ServerOptions, pipe: StartupPipe) -> None:
    """Run PostgreSQL and the endpoints until shutdown; the caller holds the server lock."""
    instance = Instance(folder)
    try:
        import asyncio

        import uvloop

        from local_dsql.server.server import Server

        server = Server(folder, options, instance)
        gc.freeze()  # these objects stay: the garbage collector need not scan them while requests wait
        instance.wait_until_ready()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.run(pipe))
    finally:
        instance.stop()


def _explain(error: Exception, folder: Folder) -> Exception:
    match error:
        case TimeoutError():
            return unresponsive_error(folder, error)
        case OSError():
            return unusable_folder(folder.path, error)
    return error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
