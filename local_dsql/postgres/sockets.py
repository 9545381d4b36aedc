"""A private folder for unix sockets whose path is short enough for a socket's address."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MAX_ADDRESS = 103
"""Bytes of a unix socket's path: 107 on Linux, 103 on macOS."""

LONGEST_NAME = len("/.s.PGSQL.5432.lock")
_PREFIX = "local-dsql-"


def make_socket_directory(preferred: Path) -> Path:
    """Return an empty folder of mode 0700 for sockets: `preferred`, or one in the temporary folder.

    In the second case, that of a path too long, `preferred` becomes a symbolic link to it, by which the next
    start finds and removes it.
    """
    remove_socket_directory(preferred)
    if len(os.fsencode(preferred)) + LONGEST_NAME <= MAX_ADDRESS:
        preferred.mkdir(mode=0o700)
        return preferred
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_short_temporary_folder()))
    preferred.symlink_to(directory)
    return directory


def remove_socket_directory(preferred: Path) -> None:
    """Remove what `make_socket_directory(preferred)` made, in this run or in one that was killed."""
    if preferred.is_symlink():
        target = preferred.readlink()
        if target.name.startswith(_PREFIX) and _is_ours(target):
            shutil.rmtree(target)
        preferred.unlink()
    elif preferred.exists():
        shutil.rmtree(preferred)


def _short_temporary_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) < 50 else "/tmp"  # noqa: S108 (mkdtemp makes a private folder in it)


def _is_ours(directory: Path) -> bool:
    """Whether this user made it: the temporary folder belongs to everybody."""
    try:
        owner = directory.lstat().st_uid
    except FileNotFoundError:
        return False
    return os.geteuid() in (0, owner)
