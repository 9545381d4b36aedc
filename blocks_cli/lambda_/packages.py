"""Folders with links to installed packages: those of Lambda's runtime, and substitutes for packages of a bundle."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from blocks_cli.lambda_.interpreter import Interpreter

_NAME = re.compile(r"[^A-Za-z0-9._-]")

RUNTIME_CLIENT = "awslambdaric"

RUNTIME_DISTRIBUTIONS = (RUNTIME_CLIENT, "boto3")
"""Distributions in Lambda's Python runtimes (developer guide, "Runtime-included SDK versions")."""

COMPANIONS = {"psycopg_binary": ("psycopg", "typing_extensions")}
"""Packages that must have the same release as a binary one, and are replaced together with it."""


def installed(distribution: str) -> bool:
    """Return whether a distribution is installed."""
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def link(distributions: Iterable[str], store: Path) -> Path:
    """Return a folder with links to the installed ones of `distributions` and their dependencies."""
    entries = _linked(tuple(distributions))
    key = hashlib.sha256("\n".join(sorted(map(str, entries.values()))).encode()).hexdigest()[:16]
    folder = store / f"packages-{key}"
    if not folder.exists():
        store.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=store, prefix="new-"))
        for name, entry in entries.items():
            (fresh / name).symlink_to(entry)
        _install(fresh, folder)
    return folder


@functools.cache
def _linked(distributions: tuple[str, ...]) -> Mapping[str, Path]:
    """Return the files and folders to link, by name."""
    return {entry.name: entry for name in _closure(distributions) for entry in _entries(name)}


def _closure(distributions: Iterable[str]) -> list[str]:
    """Return the installed ones of `distributions` with their dependencies, without extras."""
    found: dict[str, None] = {}
    pending = [*distributions]
    while pending:
        name = pending.pop()
        if name in found or not installed(name):
            continue
        found[name] = None
        requirements = importlib.metadata.requires(name) or []
        pending += [_NAME.split(line)[0] for line in requirements if "extra ==" not in line]
    return [*found]


def _install(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        if not folder.exists():
            raise
        for entry in fresh.iterdir():  # another process has created the same links
            entry.unlink()
        fresh.rmdir()


def _entries(distribution: str) -> Iterator[Path]:
    """Yield the top-level files and folders of a distribution in site-packages."""
    found = importlib.metadata.distribution(distribution)
    names = {file.parts[0] for file in found.files or () if file.parts[0] not in {"..", "__pycache__"}}
    for name in sorted(names):
        yield Path(str(found.locate_file(name))).resolve()


@functools.cache
def _owners() -> Mapping[str, list[str]]:
    """Return the installed distributions by top-level package; reads the metadata of all of them once."""
    return importlib.metadata.packages_distributions()


def unloadable(roots: Iterable[Path], interpreter: Interpreter) -> set[str]:
    """Return the top-level packages under `roots` with extension modules that `interpreter` cannot load.

    Only modules with the Python version in the file name are checked (`….cpython-313-x86_64-linux-gnu.so`).
    """
    return {
        extension.relative_to(root).parts[0].split(".")[0]
        for root in roots
        for extension in root.rglob("*.cpython-*")
        if extension.suffix in {".so", ".pyd"} and not interpreter.loads(extension)
    }


def substitutes(packages: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the installed distributions that can replace `packages`, and the packages without a replacement."""
    owners = _owners()
    found: list[str] = []
    missing: list[str] = []
    for package in sorted(packages):
        for name in (package, *COMPANIONS.get(package, ())):
            if name in owners:
                found.append(owners[name][0])
            elif name == package:
                missing.append(name)
    return found, missing
