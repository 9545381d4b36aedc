"""Exact wheels of the bundles, from the checked-in `lock.toml`."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blocks.bundling.target import Target


@dataclass(frozen=True, slots=True)
class Wheel:
    """One locked wheel: release, file, sha256 in hex, and the targets it serves (empty: any)."""

    project: str
    version: str
    file: str
    sha256: str
    python: tuple[str, ...] = ()
    architecture: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """The release as a line of a requirements file, with its hash."""
        return f"{self.project}=={self.version} --hash=sha256:{self.sha256}"

    def serves(self, target: Target) -> bool:
        """Return whether this wheel is part of a bundle for `target`."""
        return (not self.python or target.python in self.python) and (
            not self.architecture or target.architecture in self.architecture
        )


def wheels(group: str, target: Target) -> tuple[Wheel, ...]:
    """Return the wheels of one group of the lock, `runtime` or `runtime-client`, for one target."""
    return tuple(wheel for wheel in groups()[group] if wheel.serves(target))


@functools.cache
def groups() -> dict[str, tuple[Wheel, ...]]:
    """Return the lock: the wheels of each group in the order of the file."""
    text = resources.files(__package__).joinpath("lock.toml").read_text(encoding="utf-8")
    return {group: tuple(_wheels(rows)) for group, rows in tomllib.loads(text).items()}


def _wheels(rows: list[dict[str, str | list[str]]]) -> list[Wheel]:
    return [
        Wheel(
            project=str(row["project"]),
            version=str(row["version"]),
            file=str(row["file"]),
            sha256=str(row["sha256"]),
            python=tuple(row.get("python", ())),
            architecture=tuple(row.get("architecture", ())),
        )
        for row in rows
    ]
