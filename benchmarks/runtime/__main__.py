"""Print every budget of the runtime, on one core."""

from __future__ import annotations

from benchmarks.harness import pin
from benchmarks.runtime import contention, loading, processes, statements
from benchmarks.runtime.benchmark_database import database


def main() -> None:
    pin()
    print(processes.imports(), flush=True)
    print(statements.tokens(), flush=True)
    with database() as here:
        print(processes.cold_starts(), flush=True)
        print(statements.synchronous(here), flush=True)
        print(statements.asynchronous(here), flush=True)
        print(loading.beside_loops(here), flush=True)
        print(contention.contention(here), flush=True)
    with database(commit_latency=0.05) as far:
        print(loading.with_more_in_parallel(far), flush=True)


if __name__ == "__main__":
    main()
