"""Measure every budget of the runtime, on one core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import Measured, pin, present
from benchmarks.runtime import contention, conversion, loading, processes, statements
from benchmarks.runtime.benchmark_database import database

if TYPE_CHECKING:
    from collections.abc import Iterator


def measure() -> Iterator[list[Measured]]:
    """Yield every comparison."""
    pin()
    yield processes.imports()
    yield statements.tokens()
    with database() as here:
        yield processes.cold_starts()
        yield statements.synchronous(here)
        yield statements.together(here)
        yield statements.asynchronous(here)
        yield conversion.conversion(here)
        yield loading.beside_loops(here)
        yield contention.contention(here)
    with database(commit_latency=0.05) as far:
        yield loading.with_more_in_parallel(far)


if __name__ == "__main__":
    present(measure)
