"""Find a Python interpreter of the version that a function needs."""

from __future__ import annotations

import functools
import glob
import importlib.machinery
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_INSPECT = (
    "import json,sys,importlib.machinery as m;print(json.dumps([sys.version_info[:2],m.EXTENSION_SUFFIXES]))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python interpreter; `suffixes` are the file name suffixes of extension modules that it can load."""

    executable: Path
    version: tuple[int, int]
    suffixes: tuple[str, ...]

    def loads(self, extension: Path) -> bool:
        """Return whether an extension module was built for this version and platform, judged by its file name."""
        return any(extension.name.endswith(suffix) for suffix in self.suffixes if suffix != ".so")


def current() -> Interpreter:
    """Return the current interpreter."""
    major, minor = sys.version_info[:2]
    return Interpreter(Path(sys.executable), (major, minor), tuple(importlib.machinery.EXTENSION_SUFFIXES))


@functools.cache
def find(version: tuple[int, int]) -> Interpreter | None:
    """Return an interpreter of exactly this version, or None; the current one has priority.

    Searches `PATH`, then the versions installed by pyenv and uv.
    """
    if version == current().version:
        return current()
    name = f"python{version[0]}.{version[1]}"
    found = (inspect(candidate) for candidate in _candidates(name, version))
    return next((python for python in found if python and python.version == version), None)


def _candidates(name: str, version: tuple[int, int]) -> Iterator[Path]:
    for entry in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(entry) / name
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions"
    data = Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", data / "uv" / "python"))
    number = f"{version[0]}.{version[1]}"
    for folder, pattern in ((pyenv, f"{number}.*"), (uv, f"cpython-{number}.*")):
        # Path.glob raises for a folder of another user.
        for match in sorted(glob.glob(f"{glob.escape(str(folder))}/{pattern}"), reverse=True):  # noqa: PTH207
            yield Path(match, "bin", name)


def inspect(executable: Path) -> Interpreter | None:
    """Run `executable` to get its version; return None if it is not a working Python, such as an unset pyenv shim."""
    if not os.access(executable, os.X_OK):
        return None
    try:
        asked = subprocess.run(
            [executable, "-I", "-S", "-c", _INSPECT], capture_output=True, text=True, timeout=20, check=True
        )
        (major, minor), suffixes = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(executable, (major, minor), tuple(suffixes))
