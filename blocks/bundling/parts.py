"""Parts of a bundle: locked wheels, packages of this distribution, and texts."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from blocks.bundling import wheelhouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks.bundling.lock import Wheel
    from blocks.bundling.target import Target

# METADATA stays: importlib.metadata reads versions there, and SQLAlchemy refuses a psycopg without a version.
# The licences stay because psycopg's asks for it.
_KEPT_METADATA = ("METADATA", "licenses/")


class Part(Protocol):
    """One part of a bundle; its digest is known without a download."""

    @property
    def digest(self) -> str:
        """The sha256 that changes when the files do."""

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield each file's path in the bundle (with `/`) and its contents."""


@dataclass(frozen=True, slots=True)
class WheelsPart:
    """The files of locked wheels, below `prefix`."""

    wheels: tuple[Wheel, ...]
    target: Target
    prefix: str = ""

    @property
    def digest(self) -> str:
        return digest_of_texts(self.prefix, *(wheel.sha256 for wheel in self.wheels))

    def files(self) -> Iterator[tuple[str, bytes]]:
        for path in wheelhouse.fetch(self.wheels, self.target):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if _is_bundled(name):
                        yield self.prefix + name, archive.read(name)


@dataclass(frozen=True, slots=True)
class PackagePart:
    """The files of an importable package of this distribution, below `prefix`."""

    package: str
    prefix: str = ""

    @property
    def digest(self) -> str:
        return digest_of_files(self.files())

    def files(self) -> Iterator[tuple[str, bytes]]:
        folder = _folder_of(self.package)
        for path in sorted(folder.rglob("*")):
            name = f"{self.package}/{path.relative_to(folder).as_posix()}"
            if path.is_file() and _is_bundled(name):
                yield self.prefix + name, path.read_bytes()


@dataclass(frozen=True, slots=True)
class TextPart:
    """One text file."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        return digest_of_files(self.files())

    def files(self) -> Iterator[tuple[str, bytes]]:
        yield self.name, self.text.encode()


def digest_of_files(files: Iterator[tuple[str, bytes]]) -> str:
    """Return one sha256 over paths and contents, independent of the order of the files."""
    whole = hashlib.sha256()
    for name, contents in sorted(files):
        whole.update(f"{name}\0{hashlib.sha256(contents).hexdigest()}\n".encode())
    return whole.hexdigest()


def digest_of_texts(*texts: str) -> str:
    """Return one sha256 over the texts in their order; none of them may contain a NUL."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the package {package} of blocks-dsql is not installed", name=package)
    return Path(spec.origin).parent


def _is_bundled(name: str) -> bool:
    path = PurePosixPath(name)
    if name.endswith("/") or path.suffix in (".pyc", ".pyi"):
        return False
    if any(part == "__pycache__" or part.startswith(".") for part in path.parts):
        return False
    if path.parts[0].endswith(".dist-info"):
        return "/".join(path.parts[1:]).startswith(_KEPT_METADATA)
    return True
