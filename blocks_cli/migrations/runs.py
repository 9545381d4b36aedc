"""A run of a command: its name in lease and journal, and its wait for another run."""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING

from blocks_cli import console

if TYPE_CHECKING:
    from blocks_cli.migrations.target import DatabaseTarget
    from lambda_migrator.lease import Holder, Queue


def run_name() -> str:
    """Return the name of this run in the lease and the journal: user, host, process."""
    import getpass
    import secrets

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user id has no name, as in many containers
        user = f"uid {os.getuid()}"
    # The random part distinguishes runs with the same process id.
    return f"{user}@{socket.gethostname()} blocks[{os.getpid()}/{secrets.token_hex(2)}]"


def is_dead(holder: str) -> bool:
    """Return whether the holder of the lease was a command on this machine whose process has ended.

    Only valid for a local database: holders of a cluster's lease may be on another machine with the same host name.
    """
    match = re.fullmatch(rf".*@{re.escape(socket.gethostname())} blocks\[(?P<pid>[0-9]+)/[0-9a-f]+\]", holder)
    if match is None:
        return False
    try:
        os.kill(int(match["pid"]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def queue(target: DatabaseTarget, wait: float) -> Queue:
    """Return the queue options: print the other migrator, wait at most `wait` seconds."""
    from lambda_migrator.lease import Queue

    def waiting(holder: Holder) -> None:
        console.print_message(f"waiting  another migrator is running: {holder}", "yellow")

    return Queue(wait, waiting, is_dead) if target.folder is not None else Queue(wait, waiting)
