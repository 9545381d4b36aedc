"""Renewal of the lock: the wheels that the package index has for every target, with their hashes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.bundling import cache, lock, pip
from blocks.bundling.errors import BundlingError
from blocks.bundling.target import every_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from blocks.bundling.lock import Wheel
    from blocks.bundling.target import Target

_HEADER = """\
# The exact wheels of the bundles, written by `python -m blocks.bundling lock`. `python` and `architecture`
# name the targets a wheel is for; without them, all. psycopg asks for typing-extensions below Python 3.13.
"""


def relock(versions: Mapping[str, str]) -> str:
    """Return the text of a new lock: the same projects, in the given `versions` or else the locked ones.

    Raises:
        BundlingError: a version has no wheel for one of the targets, or a project is not in the lock.
    """
    groups = lock.groups()
    known = {wheel.project for wheels in groups.values() for wheel in wheels}
    if unknown := sorted(versions.keys() - known):
        raise BundlingError(
            f"not in the lock: {', '.join(unknown)}",
            f"its projects are {', '.join(sorted(known))}",
            "add a project to lock.toml by hand, with any hash, before locking it",
        )
    return render({group: tuple(_locked(wheels, versions)) for group, wheels in groups.items()})


def render(groups: Mapping[str, Sequence[Wheel]]) -> str:
    """Return the text of a lock."""
    return _HEADER + "".join(_row(group, wheel) for group, wheels in groups.items() for wheel in wheels)


def _locked(wheels: Sequence[Wheel], versions: Mapping[str, str]) -> Iterator[Wheel]:
    """Yield the new wheels of each project once, for the targets that its old ones serve."""
    for project in dict.fromkeys(wheel.project for wheel in wheels):
        found: dict[str, Wheel] = {}
        for target in every_target():
            for old in (wheel for wheel in wheels if wheel.project == project and wheel.serves(target)):
                new = _found(replace(old, version=versions.get(project, old.version)), target)
                found.setdefault(new.file, new)
        yield from found.values()


def _found(wanted: Wheel, target: Target) -> Wheel:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            pip.download([f"{wanted.project}=={wanted.version}"], folder, target)
        except pip.PipError as error:
            raise BundlingError(
                f"no wheel of {wanted.project} {wanted.version} for {target}",
                f"pip said: {error}",
                "choose a version that has wheels for every target",
            ) from error
        (path,) = folder.glob("*.whl")
        return replace(wanted, file=path.name, sha256=cache.sha256(path))


def _row(group: str, wheel: Wheel) -> str:
    lines = [f"[[{group}]]"]
    lines += [f'{name} = "{getattr(wheel, name)}"' for name in ("project", "version", "file", "sha256")]
    for name in ("python", "architecture"):
        if values := getattr(wheel, name):
            quoted = ", ".join(f'"{value}"' for value in values)
            lines.append(f"{name} = [{quoted}]")
    return "\n" + "\n".join(lines) + "\n"
