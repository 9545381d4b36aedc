"""The program that serves one folder; `local_dsql.client.launch` starts it, nobody does by hand.

PostgreSQL needs a moment to start, so it is started first, and what serves it is imported meanwhile.
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
    """Serve a folder; return 0, or 1 after an error that the starter and the log were told."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell's background jobs ignore it, PostgreSQL must not
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options, pipe = read_arguments(arguments)
    lock = FileLock(options.folder.server_lock)
    try:
        lock.lock_exclusive(STOP_TIMEOUT)  # the one before us may still be on its way out
        serve(options, pipe)
    except Exception as error:
        failure = _explain(error, options.folder)
        pipe.send_failure(failure)
        if not isinstance(failure, (LocalDatabaseError, ValueError)):
            raise
        log.error("%s", failure)
        return 1
    return 0


def serve(options: ServerOptions, pipe: StartupPipe) -> None:
    """Run PostgreSQL and the endpoints until the end; the caller holds the server lock."""
    instance = Instance(options.folder)
    try:
        import asyncio

        import uvloop

        from local_dsql.server.server import Server

        server = Server(options, instance)
        gc.freeze()  # what is here stays: no look for garbage has to go through it while somebody waits for an answer
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
