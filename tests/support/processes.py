"""Start, list and wait for processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).parents[2]

USER_PROGRAM = """
import sys
from local_dsql import LocalCluster
with LocalCluster(sys.argv[1]) as cluster:
    print(cluster.status.pid, cluster.identifier, flush=True)
    sys.stdin.readline()
"""


def start_cluster_user(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER_PROGRAM, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )


@dataclass(frozen=True, slots=True)
class Process:
    """A running process: pid, effective user id, command line."""

    pid: int
    uid: int
    command: str


def processes_of(folder: Path) -> list[Process]:
    """Return the other running processes with `folder` as current directory or in the command line."""
    return [
        process
        for process in _living()
        if process.pid != os.getpid() and (str(folder) in process.command or _works_in(process.pid, folder))
    ]


def wait_until(condition: Callable[[], object], timeout: float = 10.0) -> float:
    """Wait until `condition` is true and return the seconds; fail after `timeout` seconds."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < timeout, "still waiting"
        time.sleep(0.01)
    return time.monotonic() - start


def _living() -> list[Process]:
    return _from_proc() if Path("/proc/self/cmdline").exists() else _from_ps()


def _from_proc() -> list[Process]:
    living = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if command:  # not a zombie or kernel thread
                living.append(Process(int(entry.name), entry.stat().st_uid, command))
        except OSError:
            continue  # the process has ended
    return living


def _from_ps() -> list[Process]:
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,uid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(maxsplit=3) for line in listing.stdout.splitlines())
    return [Process(int(row[0]), int(row[1]), row[-1]) for row in rows if not row[2].startswith("Z")]


def _works_in(pid: int, folder: Path) -> bool:
    """Return whether the folder is the current directory of the process; False on systems without /proc."""
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink()).startswith(str(folder))
    except OSError:
        return False
