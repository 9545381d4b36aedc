"""Folder of the project that a working directory is in."""

from __future__ import annotations

from .regular_files import read_regular

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from pathlib import Path

SETTINGS_FILE = "pyproject.toml"
_ROOT_MARKERS = (".blocks", "cdk.json")
ROOT_SIGNS = f"{', '.join(_ROOT_MARKERS)} or [tool.blocks] in {SETTINGS_FILE}"
"""Signs of a project's folder, for messages."""
_TABLE = ("[tool.blocks]", "[tool.blocks.")


def project_folder(directory: Path) -> Path:
    """Return the project's folder: the nearest upwards with `.blocks`, `cdk.json` or settings, else `directory`."""
    upwards = (directory, *directory.parents)
    return next((one for one in upwards if is_project(one)), directory)


def has_settings(folder: Path) -> bool:
    """Return whether the folder has a pyproject.toml with `[tool.blocks]`."""
    try:
        lines = read_regular(folder / SETTINGS_FILE).decode("utf-8", "replace").splitlines()
    except OSError:
        return False
    return any(line.strip().replace(" ", "").startswith(_TABLE) for line in lines)


def is_project(folder: Path) -> bool:
    """Return whether the folder has a sign of a project: `.blocks`, `cdk.json` or settings."""
    return any((folder / mark).exists() for mark in _ROOT_MARKERS) or has_settings(folder)
