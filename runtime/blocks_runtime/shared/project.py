"""Folder of the project that a working directory is in, and its settings in pyproject.toml as they are written."""

from __future__ import annotations

from .explained_error import ExplainedError
from .regular_files import read_regular

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from pathlib import Path

SETTINGS_FILE = "pyproject.toml"
SETTINGS_TABLE = ("tool", "blocks")
"""Path of the table with the settings."""
_ROOT_MARKERS = (".blocks", "cdk.json")
ROOT_SIGNS = f"{', '.join(_ROOT_MARKERS)} or [{'.'.join(SETTINGS_TABLE)}] in {SETTINGS_FILE}"
"""Signs of a project's folder, for messages."""
_MAY_HAVE_SETTINGS = (SETTINGS_TABLE[-1].encode(), b"\\", b"\0")
"""Bytes without which no file has the table: its name, the start of an escape in a key, a zero byte of UTF-16."""


class SettingsError(ExplainedError):
    """A setting is invalid, or two places contradict each other; `what` names the place."""


def project_folder(directory: Path) -> Path:
    """Return the project's folder: the nearest upwards with `.blocks`, `cdk.json` or settings, else `directory`.

    Raises:
        SettingsError: a pyproject.toml that may have settings is not TOML.
    """
    upwards = (directory, *directory.parents)
    return next((one for one in upwards if is_project(one)), directory)


def written_settings(folder: Path) -> tuple[str, object] | None:
    """Return the text of the folder's pyproject.toml and its value `tool.blocks`; None if it has none.

    Raises:
        SettingsError: the file may have settings, but is not TOML.
    """
    path = folder / SETTINGS_FILE
    try:
        content = read_regular(path)
    except OSError:
        return None
    if not any(each in content for each in _MAY_HAVE_SETTINGS):
        return None  # the parser takes milliseconds, and most files have no settings
    import tomllib

    try:
        text = content.decode()
        found: object = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_toml(path, content, error) from None
    for name in SETTINGS_TABLE:
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return text, found


def is_project(folder: Path) -> bool:
    """Return whether the folder has a sign of a project: `.blocks`, `cdk.json` or settings.

    Raises:
        SettingsError: its pyproject.toml may have settings, but is not TOML.
    """
    return any((folder / mark).exists() for mark in _ROOT_MARKERS) or written_settings(folder) is not None


def _not_toml(path: Path, content: bytes, error: Exception) -> SettingsError:
    why, remedy = str(error), "correct the file"
    if isinstance(error, UnicodeDecodeError):
        line = content.count(b"\n", 0, error.start) + 1
        why = f"{error} (at line {line})"
    if isinstance(error, UnicodeDecodeError) or content.startswith("\ufeff".encode()):
        remedy = "save the file as UTF-8 without a byte order mark"
    return SettingsError(f"{path}: not valid TOML, so its settings cannot be read", why, remedy)
