"""Run every benchmark and collect the figures: `make bench`, or `python -m benchmarks MODULE…` for some modules.

Each module runs in a process of its own, and hands its figures over as values. With BLOCKS_WRITE_DOCS=1 the table and
the plot of docs/benchmarks.md are written; a module that was not run keeps no rows there, so that a page is one run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import page
from benchmarks.harness import Measured, read

MODULES = (
    *("local_database", "writes", "loading", "migrations", "synth", "commands", "fixtures", "runtime"),
    "atomic_table",
)


def collect(modules: tuple[str, ...]) -> dict[str, list[Measured]]:
    """Run the modules in turn, with their output, and return the figures of each.

    Raises:
        SystemExit: a module failed.
    """
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for module in modules:
            file = Path(folder) / f"{module}.json"
            command = [sys.executable, "-m", f"benchmarks.{module}", "--json", str(file)]
            if subprocess.run(command, check=False).returncode != 0:
                raise SystemExit(f"bench: benchmarks.{module} failed; its error is above")
            found[module] = read(file)
    return found


def main(arguments: list[str]) -> int:
    """Run, print the bars that are not met, and write the page if asked; the exit code is 0 in any case."""
    if unknown := set(arguments) - set(MODULES):
        raise SystemExit(f"bench: no module {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    found = collect(tuple(arguments) or MODULES)
    figures = [each for group in found.values() for each in group]
    barred = [each for each in figures if each.bar is not None]
    missed = [each for each in barred if not each.met]
    print(f"\nbench: {len(figures)} figures, {len(barred)} bars, {len(missed)} not met")
    for each in missed:
        print(f"  {each.title}: {each.contender}, bar {each.wanted}, measured {each.value:.2f} {each.unit}")
    if os.environ.get("BLOCKS_WRITE_DOCS") == "1":
        page.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
