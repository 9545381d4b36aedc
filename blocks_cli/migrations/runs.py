"""A run of a command: its name in lease and journal, and how it waits for another one."""

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
    """Return the name of this run in the lease and the journal: who, on which machine, in which process."""
    import getpass
    import secrets

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in many containers
        user = f"uid {os.getuid()}"
    # The last part tells two runs apart whose process has the same number.
    return f"{user}@{socket.gethostname()} blocks[{os.getpid()}/{secrets.token_hex(2)}]"


def is_dead(holder: str) -> bool:
    """Tell whether a holder of the lease was a command on this machine whose process has ended.

    Only good for a database of this machine: elsewhere another machine may have the same name.
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
    """Return how to behave while another migrator is at work: say who, wait that many seconds."""
    from lambda_migrator.lease import Queue

    def waiting(holder: Holder) -> None:
        console.print_message(f"waiting  another migrator is at work: {holder}", "yellow")

    return Queue(wait, waiting, is_dead) if target.folder is not None else Queue(wait, waiting)
