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
    server = Server(service, options.port)
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
    server.shutdown()
    thread.join()
    server.server_close()
    service.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
