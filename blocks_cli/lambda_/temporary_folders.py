"""Temporary folders of sandboxes, removed after the end of their process."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


class TemporaryFolders:
    """A folder of temporary folders, named after their process.

    The constructor removes the folders of processes that were killed. The folder itself is created with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for left in folder.iterdir() if folder.is_dir() else ():
            if not is_alive(left.name.partition("-")[0]):
                remove(left)

    def new(self) -> str:
        """Return a new empty folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return tempfile.mkdtemp(dir=self._folder, prefix=f"{os.getpid()}-")


def remove(folder: Path) -> None:
    """Remove a folder; folders in it may have no write permission."""
    for inner, names, _ in os.walk(folder):
        for name in names:
            if not (path := Path(inner, name)).is_symlink():
                with contextlib.suppress(OSError):  # of another user: left for its owner
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: str) -> bool:
    """Return whether `pid` is the id of a running process."""
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
