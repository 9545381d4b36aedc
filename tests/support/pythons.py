"""Run the runtime's tests under other Pythons, against the built wheel, and once with nothing but psycopg beside it.

    python -m tests.support.pythons                     every python3.11 and later on PATH
    python -m tests.support.pythons python3.12 /opt/py/bin/python3.14

Each interpreter gets a virtual environment in `.venv-pythons/`, with the versions that requirements.txt pins.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".venv-pythons"
OLDEST = (3, 11)
# pytest and what the tests ask for beside the wheel and its extras; the versions are those of requirements.txt.
TESTING = ("pytest", "hypothesis", "boto3", "opentelemetry-sdk", "ruff")


def main(arguments: list[str]) -> int:
    """Run everything under every interpreter and return 1 if something failed anywhere."""
    interpreters = [Path(shutil.which(name) or name) for name in arguments] or found()
    if not interpreters:
        print(
            "no python3.x of 3.11 or later on PATH; name them: make test-pythons PYTHONS='…'", file=sys.stderr
        )
        return 2
    wheel = build()
    failed = [str(each) for each in interpreters if not passes(each, wheel)]
    print(
        f"{len(interpreters) - len(failed)} passed, {len(failed)} failed"
        + "".join(f": {name}" for name in failed)
    )
    return int(bool(failed))


def found() -> list[Path]:
    """Return the newest patch of each python3.x on PATH, this one's version included."""
    seen: dict[str, Path] = {}
    for folder in map(Path, os.get_exec_path()):
        for each in sorted(folder.glob("python3.*")) if folder.is_dir() else ():
            if re.fullmatch(r"python3\.\d+", each.name) and version(each)[:2] >= OLDEST:
                seen.setdefault(each.name, each)
    return [seen[name] for name in sorted(seen)]


def version(interpreter: Path) -> tuple[int, ...]:
    """Return its version, or nothing for one that does not run."""
    asked = subprocess.run(
        [interpreter, "-c", "import sys; print(*sys.version_info[:3])"], capture_output=True, text=True
    )
    return tuple(map(int, asked.stdout.split())) if asked.returncode == 0 else ()


def build() -> Path:
    """Build the wheel that everybody would install."""
    target = PLACE / "wheel"
    shutil.rmtree(target, ignore_errors=True)
    pip(None, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(ROOT))
    (wheel,) = target.glob("*.whl")
    return wheel


def passes(interpreter: Path, wheel: Path) -> bool:
    """Install into two environments and run the tests in both; say how it went."""
    name = ".".join(map(str, version(interpreter)))
    print(f"--- Python {name}: {interpreter}", flush=True)
    whole = environment(interpreter, PLACE / name, f"{wheel}[local,sqlalchemy,otel]", *TESTING)
    bare = environment(interpreter, PLACE / f"{name}-bare", f"{wheel}")
    tests: list[str | Path] = [
        whole,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/blocks_runtime",
        "-m",
        "not slow",
    ]
    # The tests stand in the project, the package in the environment: what is imported is the wheel.
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(tests, cwd=ROOT, env=without, check=False).returncode == 0
    alone = subprocess.run(
        [bare, ROOT / "tests" / "support" / "bare_runtime.py"], cwd=PLACE, env=without, check=False
    )
    return ran and alone.returncode == 0


def environment(interpreter: Path, folder: Path, *packages: str) -> Path:
    """Return the Python of an environment in which `packages` are installed, the wheel anew each time."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([interpreter, "-m", "venv", "--without-pip", folder], check=True)
    wanted = ["--quiet", "--constraint", str(ROOT / "requirements.txt")]
    pip(python, "install", *wanted, *packages)
    pip(python, "install", "--quiet", "--no-deps", "--force-reinstall", packages[0].partition("[")[0])
    return python


def pip(python: Path | None, *arguments: str) -> None:
    """Run this environment's pip, for another environment if one is named."""
    into = [] if python is None else ["--python", str(python)]
    quiet = os.environ | {"PYTHONWARNINGS": "ignore"}  # pip's own code, read by a Python newer than it
    subprocess.run([sys.executable, "-m", "pip", *into, *arguments], check=True, env=quiet)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
