"""Faults while clients work, as one table: `make faults`, then 150 clients for ten minutes or SECONDS=….

Every client notes the answer to each COMMIT. Afterwards the tables must have every committed change, no change of a
failed transaction, and counters that match the rows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from dsql_dialect.profiles import NEWEST
from local_dsql import LocalCluster
from tests.local_dsql.differential.plain_postgres import PlainPostgres
from tests.proof import steady, workload
from tests.proof.figures import Figure, publish
from tests.proof.targets import GIVEN, LOCAL, PLAIN, REGIONS, given
from tests.support.processes import processes_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
CLIENTS = 8
KILLS = 3
CUTS = workload.Habits(cuts=0.3)
DISK = "400m"
"""Size of the disk that is filled."""


@contextlib.contextmanager
def _cluster() -> Iterator[LocalCluster]:
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(folder, regions=REGIONS, dialect=NEWEST.name) as cluster,
    ):
        yield cluster


def _kills(seconds: float, kill: Callable[[], None]) -> None:
    """Kill at regular moments; the last part of the time has no kill."""
    for _ in range(KILLS):
        time.sleep(seconds / (KILLS + 1))
        kill()


def _on_cluster(
    case: str,
    seconds: float,
    habits: workload.Habits,
    accident: Callable[[LocalCluster], None] | None,
    regions: int = 1,
) -> Figure:
    """Run clients in one Region or two, with an accident at regular moments, and compare."""
    figure = Figure(case, LOCAL)
    with _cluster() as cluster:
        dsns = [cluster.dsn(region) for region in REGIONS[:regions]]
        workload.prepare(dsns[0])
        crowd = workload.Crowd(dsns, CLIENTS, seconds, habits)
        if accident is not None:
            _kills(seconds, lambda: accident(cluster))
        workload.audit(dsns[0], crowd.join(), figure)
    return figure


def _kill_proxy(cluster: LocalCluster) -> None:
    """Kill the server, wait until its PostgreSQL has ended too, and start both again."""
    os.kill(cluster.status.pid, signal.SIGKILL)
    _start_again(cluster)


def _kill_postgres(cluster: LocalCluster) -> None:
    """Kill the postmaster: the server ends, and is started again."""
    os.kill(
        int((cluster.folder.path / "data" / "postmaster.pid").read_text("utf-8").split()[0]), signal.SIGKILL
    )
    _start_again(cluster)


def _kill_backend(cluster: LocalCluster) -> None:
    """Kill a process of PostgreSQL that serves a client: all stop, and are started again."""
    server = psutil.Process(cluster.status.pid)
    backends = [
        each for each in server.children(recursive=True) if "postgres: postgres postgres" in _command(each)
    ]
    os.kill(backends[-1].pid, signal.SIGKILL)
    _start_again(cluster)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _start_again(cluster: LocalCluster) -> None:
    wait_until(lambda: not processes_of(cluster.folder.path), timeout=30)
    cluster.start()


def _stop_region(cluster: LocalCluster) -> None:
    """Cut a Region's clients off for half a second."""
    cluster.stop_region(REGIONS[1])
    time.sleep(0.5)
    cluster.start_region(REGIONS[1])


def cut_commits(target: str, dsn: str, seconds: float) -> Figure:
    """Run clients that cut three connections in ten at COMMIT, on any database."""
    figure = Figure("connections cut at COMMIT", target)
    workload.prepare(dsn)
    return workload.audit(dsn, workload.Crowd([dsn], CLIENTS, seconds, CUTS).join(), figure)


def plain_killed(seconds: float) -> Figure:
    """Kill a plain PostgreSQL at regular moments."""
    figure = Figure("PostgreSQL killed", PLAIN)
    server = PlainPostgres(synchronous_commit="on")
    try:
        workload.prepare(server.dsn)
        crowd = workload.Crowd([server.dsn], CLIENTS, seconds, workload.Habits())

        def kill() -> None:
            processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
            processes[0].kill()
            psutil.wait_procs(processes, timeout=30)
            server.start_again()

        _kills(seconds, kill)
        workload.audit(server.dsn, crowd.join(), figure)
    finally:
        server.close()
    return figure


def disk_full(seconds: float) -> Figure:
    """Run `disk_full.py` on a disk of its own; without the right to mount one the row says so."""
    figure = Figure("disk full", LOCAL)
    with tempfile.TemporaryDirectory() as folder:
        script = f'mount -t tmpfs -o size={DISK} none "$1" && exec "$2" -m tests.proof.disk_full "$1" "$3"'
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", folder, sys.executable, str(seconds)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        figure.note = "NOT RUN: only root may mount a disk"
        return figure
    if done.returncode != 0:
        figure.wrong, figure.note = 1, f"failed: {done.stderr.strip().splitlines()[-1]}"
        return figure.finish()
    return Figure(**json.loads(done.stdout))


def prove(seconds: float, dsn: str | None) -> Iterator[Figure]:
    """Yield the figure of every fault."""
    usual = workload.Habits()
    yield _on_cluster("connections cut at COMMIT", seconds, CUTS, None)
    server = PlainPostgres(synchronous_commit="on")
    try:
        yield cut_commits(PLAIN, server.dsn, seconds)
    finally:
        server.close()
    if dsn:
        with given(dsn):
            yield cut_commits(GIVEN, dsn, seconds)
    yield _on_cluster("proxy killed", seconds, usual, _kill_proxy)
    yield _on_cluster("PostgreSQL killed", seconds, usual, _kill_postgres)
    yield plain_killed(seconds)
    yield _on_cluster("a backend killed", seconds, usual, _kill_backend)
    yield _on_cluster("two Regions, cuts at COMMIT", seconds, CUTS, None, regions=2)
    yield _on_cluster("two Regions, one stopped", seconds, usual, _stop_region, regions=2)
    yield _on_cluster("two Regions, proxy killed", seconds, CUTS, _kill_proxy, regions=2)
    yield disk_full(seconds)


def main(arguments: list[str]) -> int:
    """Prove every fault, run the long part, and publish the table."""
    options = argparse.ArgumentParser(prog="make faults", description=__doc__)
    options.add_argument("--dsn", help="a database without tables, for the faults of a client")
    options.add_argument("--seconds", type=float, default=12, help="of each fault")
    options.add_argument(
        "--steady", type=float, default=600, help="seconds of the 150 clients; 0 leaves them out"
    )
    given_options = options.parse_args(arguments)
    figures, remarks = [], []
    for figure in prove(given_options.seconds, given_options.dsn):
        print(f"  {figure.case}, {figure.target}: {figure.seconds:.1f} s", file=sys.stderr, flush=True)
        figures.append(figure)
    if given_options.steady:
        figure, samples = steady.run(given_options.steady)
        figures.append(figure)
        remarks.append(steady.series(samples))
    return publish("faults", figures, remarks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
