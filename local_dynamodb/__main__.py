"""Server process of one folder: `python -m local_dynamodb FOLDER` serves it until its last user has gone."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from local_dsql.storage.files import write_private
from local_dsql.storage.locks import FileLock
from local_dynamodb.folder import ITEMS, SERVER_LOCK, STATE, USERS_LOCK
from local_dynamodb.server import Server
from local_dynamodb.service import Service

_LOOK = 0.25
"""Seconds between two looks for users."""

_END = 10.0
"""Seconds for an orderly end. All that was answered is in the file, so that the process may end at any time."""


def main() -> int:
    """Serve, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local_dynamodb", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the items")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; by default a free one")
    parser.add_argument("--keep", action="store_true", help="serve without users, until Ctrl-C")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / SERVER_LOCK)
    if not lock.try_lock_exclusive():
        print(f"error: {folder} is served by another process", file=sys.stderr)
        return 4
    service = Service(str(folder / ITEMS))
    try:
        server = _server(service, options.port)
    except OSError as error:
        print(
            f"error: port {options.port} cannot be used: {error.strerror}; give another one", file=sys.stderr
        )
        return 4
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    write_private(folder / STATE, json.dumps({"port": server.port, "pid": os.getpid()}))
    if options.keep:
        print(f"AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:{server.port}", flush=True)
    users = FileLock(folder / USERS_LOCK)
    while not stop.wait(_LOOK):
        if not options.keep and users.try_lock_exclusive():
            break
    (folder / STATE).unlink(missing_ok=True)
    late = threading.Timer(_END, _end_now)
    late.daemon = True
    late.start()
    server.shutdown()
    thread.join()
    server.server_close()
    service.close()
    late.cancel()
    return 0


def _server(service: Service, port: int) -> Server:
    """Return the server on a given port, or else on its usual one; on another one while that is in use.

    Raises:
        OSError: the given port is in use.
    """
    usual = service.port
    try:
        server = Server(service, port or usual)
    except OSError:
        if port or not usual:
            raise
        return Server(service)
    if server.port != usual:
        service.port = server.port
    return server


def _end_now() -> None:
    """End the process though a part of it hangs."""
    print("error: the server did not stop in time; it ends now", file=sys.stderr, flush=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
