"""The files of a project that may be part of its app."""

from __future__ import annotations

import os
from pathlib import Path

IGNORED = frozenset({"node_modules", "cdk.out", "__pycache__", "venv", "site-packages", "dist", "build"})
"""Folders that are no part of an app, besides hidden ones."""


def is_ignored(name: str) -> bool:
    """Return whether a folder of this name is no part of an app."""
    return name in IGNORED or name.startswith(".")


def files_below(folder: Path) -> frozenset[str]:
    """Return the paths of all files, relative to `folder`, with slashes; ignored folders are left out."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_ignored(name)]
        prefix = Path(parent).relative_to(folder)
        found += ((prefix / name).as_posix() for name in files)
    return frozenset(found)
