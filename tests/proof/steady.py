"""Memory and descriptors of the local database under 150 clients: samples, and the rule by which they are flat.

Memory is the proportional set size of all processes of a kind: a page that n processes share counts 1/n in each. The
first fifth of the time is warm-up, and at least a minute: each backend fills its caches. Memory is flat if the median
of the last third of the others exceeds that of the first third by at most 5 % or 4 MB. After the last client has
left, the proxy must have the descriptors that it had when a first, smaller group had left, and PostgreSQL as many
backends.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from dsql_dialect.profiles import NEWEST
from local_dsql import LocalCluster
from tests.proof import workload
from tests.proof.figures import Figure
from tests.proof.targets import LOCAL, REGIONS

CLIENTS = 150
PAUSE = 0.5
"""Mean pause between two transactions of a client, in seconds: the machine keeps some time for other work."""

GROWTH, SLACK = 1.05, 4.0
"""Largest growth of memory, as a factor and in MB; the larger one counts."""

FIRST = 2.0
"""Seconds in which a tenth of the clients work before the descriptors are counted, and again until they have left."""

SETTLED = 15.0
"""Seconds in which sockets and backends of clients that have left must be gone."""


@dataclass(frozen=True)
class Sample:
    """Memory in MB and descriptors, of the proxy's process and of PostgreSQL's processes together."""

    seconds: float
    proxy: float
    postgres: float
    proxy_descriptors: int
    postgres_descriptors: int
    backends: int


def sample(cluster: LocalCluster, started: float) -> Sample:
    """Measure the processes of a cluster."""
    server = psutil.Process(cluster.status.pid)
    postgres = [each for each in server.children(recursive=True) if _name(each).startswith("postgres")]
    return Sample(
        time.monotonic() - started,
        _megabytes(server),
        sum(map(_megabytes, postgres)),
        server.num_fds(),
        sum(map(_descriptors, postgres)),
        len(postgres),
    )


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def _descriptors(process: psutil.Process) -> int:
    try:
        return int(process.num_fds())
    except psutil.NoSuchProcess:
        return 0


def warm_up(seconds: float) -> float:
    """Return the seconds of warm-up in a run: a fifth, but a minute at least; half of a run that is shorter."""
    return max(seconds / 5, min(60.0, seconds / 2))


def flat(warm: list[float]) -> tuple[bool, float, float]:
    """Return whether a series is flat by the rule above, and the medians of its first and last third."""
    third = max(1, len(warm) // 3)
    first, last = statistics.median(warm[:third]), statistics.median(warm[-third:])
    return last <= max(first * GROWTH, first + SLACK), first, last


def run(seconds: float) -> tuple[Figure, list[Sample]]:
    """Run 150 clients in two Regions, and measure at least 30 times; `wrong` also counts what is not flat."""
    figure = Figure(f"{CLIENTS} clients, {seconds:.0f} s", LOCAL)
    samples: list[Sample] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(Path(folder), regions=REGIONS, dialect=NEWEST.name) as cluster,
    ):
        dsns = [cluster.dsn(region) for region in REGIONS]
        # Files that the server opens once, with the first clients, are no descriptors that are left.
        workload.prepare(dsns[0])
        workload.Crowd(dsns, CLIENTS // 10, FIRST, workload.Habits()).join()
        workload.prepare(dsns[0])
        time.sleep(FIRST)
        before, started = sample(cluster, time.monotonic()), time.monotonic()
        crowd = workload.Crowd(dsns, CLIENTS, seconds, workload.Habits(pause=PAUSE))
        interval = min(10.0, seconds / 30)
        while (left := crowd.until - time.monotonic()) > 1:
            time.sleep(min(interval, left - 0.5))
            samples.append(sample(cluster, started))
        notes = crowd.join()
        workload.audit(dsns[0], notes, figure)
        after = _settled(cluster, started, before)
    faults = []
    for name in ("proxy", "postgres"):
        good, first, last = flat([getattr(each, name) for each in samples if each.seconds > warm_up(seconds)])
        figure.note += f"; {name} {first:.0f} → {last:.0f} MB"
        faults += [] if good else [f"{name} grows"]
    if after.proxy_descriptors > before.proxy_descriptors or after.backends > before.backends:
        faults.append("descriptors are left")
    most = max(each.proxy_descriptors for each in samples)
    figure.note += (
        f"; proxy's descriptors {before.proxy_descriptors} before, {most} at most, {after.proxy_descriptors} after"
        f"; PostgreSQL's processes {before.backends} and {after.backends}"
    )
    if faults:
        figure.wrong += len(faults)
        figure.note += f"; {', '.join(faults).upper()}"
    return figure, samples


def _settled(cluster: LocalCluster, started: float, before: Sample) -> Sample:
    """Return a sample after the clients have left, with time for their sockets to be closed."""
    until = time.monotonic() + SETTLED
    while True:
        last = sample(cluster, started)
        gone = last.proxy_descriptors <= before.proxy_descriptors and last.backends <= before.backends
        if gone or time.monotonic() > until:
            return last
        time.sleep(0.2)


def series(samples: list[Sample], rows: int = 10) -> str:
    """Return some of the samples as a table."""
    lines = [
        "| seconds | proxy, MB | PostgreSQL, MB | proxy's descriptors | PostgreSQL's descriptors |",
        "|--------:|----------:|---------------:|--------------------:|-------------------------:|",
    ]
    step = max(1, len(samples) // rows)
    lines += [
        f"| {each.seconds:,.0f} | {each.proxy:.1f} | {each.postgres:.1f} | {each.proxy_descriptors} |"
        f" {each.postgres_descriptors} |"
        for each in samples[::step]
    ]
    return "\n".join(lines)
