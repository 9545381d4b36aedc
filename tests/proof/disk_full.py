"""Clients at work while the disk of their database fills, and again after there is room: prints the figure as JSON.

`python -m tests.proof.disk_full FOLDER SECONDS` runs in a mount namespace, on a small disk of its own.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from dsql_dialect.profiles import NEWEST
from local_dsql import LocalCluster
from tests.proof import workload
from tests.proof.figures import Figure
from tests.proof.targets import LOCAL

CLIENTS = 8
HABITS = workload.Habits(expected=frozenset({"53100"}), body=100_000)


def main(disk: Path, seconds: float) -> None:
    """Fill the disk after a third of the time, and make room after two thirds."""
    figure, ballast = Figure("disk full", LOCAL), disk / "ballast"
    with LocalCluster(disk / "cluster", dialect=NEWEST.name) as cluster:
        workload.prepare(cluster.dsn())
        crowd = workload.Crowd([cluster.dsn()], CLIENTS, seconds, HABITS)
        time.sleep(seconds / 3)
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:  # until the disk is full
            while True:
                file.write(bytes(1_000_000))
        time.sleep(seconds / 3)
        kept = len(crowd.notes.committed)
        ballast.unlink()
        first = cluster.status.pid
        cluster.start()  # has an effect only if the server has stopped
        stopped = cluster.status.pid != first
        notes = crowd.join()
        workload.audit(cluster.dsn(), notes, figure)
    for fault, text in (
        (not notes.refused and not stopped, "THE DISK WAS NEVER FULL"),
        (len(notes.committed) == kept, "NO COMMIT AFTER THERE WAS ROOM"),
    ):
        figure.wrong += fault
        figure.note += f"; {text}" if fault else ""
    figure.note += f"; {notes.refused:,} answers 53100"
    figure.note += "; the server stopped and was started again" if stopped else "; the server went on"
    found = asdict(figure)
    del found["started"]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
