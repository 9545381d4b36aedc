"""Install the built wheel with each extra into an empty environment, run a program there, and list its components."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.support.pythons import environment, pip
from tools.release import licences
from tools.release.steps import ENVIRONMENTS, OUTPUT, ROOT, TOOLS, CheckError, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).parent / "smoke"
BARE = ROOT / "tests" / "support" / "bare_runtime.py"
SECONDS = 300
"""Limit for one program."""

EVERY_EXTRA = ",".join(licences.extras()[1:])


@dataclass(frozen=True)
class Smoke:
    """A program to run in the environment of some extras; `served` gives it the variables of a running database."""

    extras: str
    program: Path
    served: bool = False

    @property
    def title(self) -> str:
        """The extras and the program, for the report."""
        return f"[{shown(self.extras)}] {self.program.stem}{', database' if self.served else ''}"


SMOKES = (
    Smoke("", BARE),
    Smoke("", BARE, served=True),
    Smoke("", PROGRAMS / "bare.py"),
    Smoke("dialect", PROGRAMS / "dialect.py"),
    Smoke("cdk", PROGRAMS / "cdk.py"),
    Smoke("local", PROGRAMS / "local.py"),
    Smoke("cli", PROGRAMS / "cli.py"),
    Smoke("aws", PROGRAMS / "aws.py", served=True),
    Smoke("parquet", PROGRAMS / "parquet.py"),
    Smoke("sqlalchemy", PROGRAMS / "sqlalchemy_engine.py", served=True),
    Smoke("docs", PROGRAMS / "docs.py"),
    Smoke("otel", PROGRAMS / "otel.py", served=True),
    Smoke(EVERY_EXTRA, PROGRAMS / "whole.py"),
)
"""At least one program for each extra of pyproject.toml."""


def shown(extras: str) -> str:
    """Return a short name of extras."""
    return "all" if extras == EVERY_EXTRA else extras or "none"


def python_of(extras: str) -> Path:
    """Return the Python of an environment with the wheel and its extras; `make_environment` makes it anew."""
    return ENVIRONMENTS / shown(extras) / "bin" / "python"


def make_environment(extras: str) -> None:
    """Create an empty environment and install the wheel with these extras, at the versions of requirements.txt."""
    folder = python_of(extras).parents[1]
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.environ["PIP_NO_COMPILE"] = "1"  # compiling the CDK takes longer than installing it
    environment(Path(sys.executable), folder, f"{wheel()}[{extras}]" if extras else str(wheel()))


def clean_environ() -> dict[str, str]:
    """Return this process's environment without what would make Python import from elsewhere, or log in elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "AWS_", "BLOCKS_"))
    } | {name: value for name, value in os.environ.items() if name == "BLOCKS_CACHE_DIR"}


def run(smoke: Smoke, served: dict[str, str]) -> None:
    """Run a program in its environment, in an empty folder.

    Raises:
        CheckError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python_of(smoke.extras), "-P", smoke.program],
            cwd=folder,
            env=clean_environ() | (served if smoke.served else {}),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise CheckError(f"{smoke.program.name} failed: {done.stderr.strip()[-1500:]}")


@contextlib.contextmanager
def database() -> Iterator[dict[str, str]]:
    """Serve a local database from the environment of `local`; yield the variables of a function.

    Raises:
        CheckError: it did not start.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [python_of("local"), "-P", PROGRAMS / "serve.py"],
            cwd=folder,
            env=clean_environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise CheckError("the local database did not start from the wheel; its error is above")
            yield cast("dict[str, str]", json.loads(line))
        finally:
            process.stdin.close()
            process.wait(60)


def bill_of_materials() -> str:
    """Write the components of an environment with every extra, as CycloneDX JSON, into `build/release/`.

    Raises:
        CheckError: the file is not valid, two runs differ, or it has other packages than docs/licences.md.
    """
    made = [_components(EVERY_EXTRA, OUTPUT / name) for name in ("sbom.cdx.json", "sbom.again.json")]
    (OUTPUT / "sbom.again.json").unlink()
    if made[0] != made[1]:
        raise CheckError("two runs of cyclonedx-py differ; the list cannot be compared with a later one")
    components = json.loads(made[0])["components"]
    names = {each["name"].lower().replace("_", "-").replace(".", "-") for each in components} - {
        licences.OURS
    }
    listed = {name for extra in licences.extras() for name in licences.brought(extra)}
    if unlisted := names - listed:
        raise CheckError(f"the SBOM has packages that docs/licences.md lacks: {', '.join(sorted(unlisted))}")
    return f"{len(names)} components, CycloneDX 1.6, valid, stable"


def _components(extras: str, file: Path) -> bytes:
    command: list[str | Path] = [TOOLS / "bin" / "cyclonedx-py", "environment", python_of(extras)]
    command += ["--pyproject", ROOT / "pyproject.toml", "--mc-type", "library", "--sv", "1.6"]
    command += ["--output-reproducible", "--validate", "--of", "JSON", "-o", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CheckError(f"cyclonedx-py: {done.stderr.strip()[-500:]}")
    return file.read_bytes()


def make_tools() -> None:
    """Install twine and cyclonedx-py into an environment of their own, if it is not there."""
    python = TOOLS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", TOOLS], check=True)
    pip(python, "install", "-qq", "-r", str(Path(__file__).parent / "requirements.txt"))
