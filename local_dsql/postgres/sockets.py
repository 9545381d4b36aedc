"""A private folder for unix sockets, with a path short enough for a socket address."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MAX_ADDRESS = 103
"""Maximum bytes of a unix socket path: 107 on Linux, 103 on macOS."""

LONGEST_NAME = len("/.s.PGSQL.5432.lock")
_PREFIX = "local-dsql-"


def make_socket_directory(preferred: Path) -> Path:
    """Return an empty folder of mode 0700 for sockets: `preferred`, or one in the temporary folder if its path is long.

    In the second case `preferred` becomes a symbolic link to it, so that the next start finds and removes it.
    """
    remove_socket_directory(preferred)
    if len(os.fsencode(preferred)) + LONGEST_NAME <= MAX_ADDRESS:
        preferred.mkdir(mode=0o700)
        return preferred
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_short_temporary_folder()))
    preferred.symlink_to(directory)
    return directory


def remove_socket_directory(preferred: Path) -> None:
    """Remove the folder of `make_socket_directory(preferred)`, from this run or from a killed one."""
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
    """Return whether this user owns the folder: the temporary folder is shared by all users."""
    try:
        owner = directory.lstat().st_uid
    except FileNotFoundError:
        return False
    return os.geteuid() in (0, owner)
