"""Download of wheels for another interpreter, with pip as a subprocess."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from blocks.bundling.errors import BundlingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from blocks.bundling.target import Target


class PipError(Exception):
    """pip could not download a wheel; the text is pip's last message."""


def download(requirements: Sequence[str], into: Path, target: Target) -> None:
    """Download the wheels of `requirements`, lines of a requirements file, without dependencies.

    Raises:
        PipError: the package index has no such wheel, or one with another hash, or cannot be reached.
        BundlingError: there is no pip.
    """
    listed = into / "requirements.txt"
    listed.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    command = [*_pip(), "download", *_options(target), "--dest", str(into), "--requirement", str(listed)]
    # Constraints of the app do not apply to the lock.
    environment = os.environ | {"PIP_CONSTRAINT": os.devnull}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise PipError(_reason(done.stderr))


def install(requirements: Path, constraints: Sequence[str], into: Path, target: Target) -> None:
    """Install the packages of a requirements file and their dependencies into a folder, from wheels for `target`.

    Raises:
        PipError: a requirement has no wheel for the target, contradicts a constraint, or cannot be reached.
        BundlingError: there is no pip.
    """
    listed = into.with_name(f"{into.name}-constraints.txt")
    listed.write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
    options = [option for option in _options(target) if option != "--no-deps"]
    command = [
        *_pip(),
        "install",
        *options,
        "--no-compile",
        "--target",
        str(into),
        "--constraint",
        str(listed),
    ]
    command += ["--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=requirements.parent)
    listed.unlink()
    if done.returncode != 0:
        raise PipError(_reason(done.stderr))


def _options(target: Target) -> list[str]:
    """Return pip's options; every tag is named, as pip would otherwise use those of its own interpreter."""
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    options += ["--implementation", "cp", "--python-version", target.python]
    for abi in (target.tag, "abi3", "none"):
        options += ["--abi", abi]
    for platform in target.platforms:
        options += ["--platform", platform]
    return options


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if pip := shutil.which("pip3") or shutil.which("pip"):
        return [pip]
    raise BundlingError(
        "wheels for Lambda cannot be downloaded",
        f"{sys.executable} has no pip (environments made by uv have none) and there is none on PATH",
        "run `python -m ensurepip` or `uv pip install pip` once, then synthesize again",
    )


def _reason(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it gave no reason"])[-1]
