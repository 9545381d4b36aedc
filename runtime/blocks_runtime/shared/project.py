"""Folder of the project that a working directory is in."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from pathlib import Path

_ROOT_MARKERS = (".blocks", "cdk.json")


def project_folder(directory: Path) -> Path:
    """Return the nearest folder upwards with `.blocks` or `cdk.json`, else `directory`."""
    upwards = (directory, *directory.parents)
    return next((one for one in upwards if any((one / mark).exists() for mark in _ROOT_MARKERS)), directory)
