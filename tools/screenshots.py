"""Make the pictures and the casts of the pages from the running system; `make screenshots` makes all.

    python -m tools.screenshots             all that take less than some minutes
    python -m tools.screenshots worldseat   some of them, by name

A picture is a file that a page shows. A cast is the output of a session, which a page has as text. Chromium takes the
pictures of web pages; a test writes each cast, and compares it in every other run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
LARGEST = 200_000
"""Bytes of a picture: a page must load fast, and a repository keeps every version."""
_STEP = ROOT / "examples" / "bank" / "step5_conflicts"
_STRESS = ("bank", "stress", "--workers", "16", "--hot", "10", "--seconds", "10", "--record", "stress.svg")


@dataclass(frozen=True)
class Made:
    """Files of the repository that a command makes.

    `make` is the command as a function. It is None for a command that measures for long, which `by` names.
    """

    files: tuple[str, ...]
    by: str
    make: Callable[[], None] | None = None


def _run(*command: str, folder: Path = ROOT, **environment: str) -> None:
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), str(ROOT / "examples/bank/bin"), os.environ["PATH"]]
    )
    subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path, **environment}, check=True)


def _worldseat() -> None:
    """Run a burst on the page of WorldSeat, and take its pictures."""
    _run(sys.executable, "-m", "examples.worldseat", "pictures")


def _stress() -> None:
    """Deploy step 5 of the bank into a temporary folder, and record a stress run."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / _STEP.name
        shutil.copytree(_STEP, folder, ignore=shutil.ignore_patterns(".blocks", "cdk.out", "__pycache__"))
        try:
            _run("blocks", "deploy", "--local", folder=folder)
            _run(*_STRESS, folder=folder)
            shutil.copy(folder / "stress.svg", _STEP)
        finally:
            _run("blocks", "destroy", "--local", "--purge", folder=folder)


def _cast(test: str) -> Callable[[], None]:
    """Return a function that runs the test of a cast, and lets it write the page."""

    def write() -> None:
        _run(sys.executable, "-m", "pytest", "-q", test, BLOCKS_WRITE_DOCS="1")

    return write


PICTURES = {
    "worldseat": Made(
        tuple(
            f"examples/worldseat/pictures/{name}.png"
            for name in ("desktop-light", "phone-light", "tablet-dark")
        ),
        "python -m examples.worldseat pictures",
        _worldseat,
    ),
    "stress": Made(("examples/bank/step5_conflicts/stress.svg",), " ".join(_STRESS), _stress),
    "benchmarks": Made(("docs/benchmarks.svg",), "BLOCKS_WRITE_DOCS=1 make bench"),
    "kill-matrix": Made(("docs/kill-matrix.svg",), "make test-slow"),
}
"""Pictures by name."""

_DEV = "tests/end_to_end/test_dev_session.py::test_the_lines_are_those_that_the_command_prints"
_DEMO = "tests/end_to_end/test_readme.py::test_the_demo_prints_what_the_readme_shows"
_CLIENTS = "tests/local_dsql/test_docs.py::test_the_commands_on_clients_run_in_a_shell"
CASTS = {
    name: Made((page,), f"BLOCKS_WRITE_DOCS=1 pytest {test}", _cast(test))
    for name, page, test in (
        ("dev", "docs/cli.md", _DEV),
        ("demo", "README.md", _DEMO),
        ("clients", "docs/clients.md", _CLIENTS),
    )
}
"""Casts by name."""


def main(names: list[str]) -> int:
    """Make what is named, by default all that has a function; return the exit code."""
    known = {**PICTURES, **CASTS}
    if unknown := {*names} - {*known}:
        print(f"error: no {', '.join(sorted(unknown))}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or known:
        made = known[name]
        if made.make is None:
            print(f"{name}: written by `{made.by}`, which measures for long")
            continue
        made.make()
        for file in made.files:
            print(f"written  {file}   {(ROOT / file).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
