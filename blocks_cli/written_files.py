"""Files that a command writes for the user: complete or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of a file into an OSError that has none: a write to a full disk does not say which file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def create_files(contents: Mapping[Path, str]) -> None:
    """Create files with their folders; after any error, the files and folders that this call has created are removed.

    Raises:
        OSError: a file exists, or cannot be written; its `filename` is set.
    """
    with contextlib.ExitStack() as undo:
        for path, content in contents.items():
            for folder in _missing(path.parent):
                folder.mkdir()
                undo.callback(_remove_folder, folder)
            with naming(path), path.open("x", encoding="utf-8", newline="\n") as file:
                undo.callback(_remove_file, path)
                file.write(content)
        undo.pop_all()


def replace_file(path: Path, content: str) -> None:
    """Write a file; one that exists is replaced when the new content is complete.

    A link is followed. A device or a pipe, such as /dev/stdout, is written directly.

    Raises:
        OSError: the file cannot be written, and has its former content; its `filename` is set.
    """
    target = path.resolve()
    try:
        former = target.stat().st_mode
    except FileNotFoundError:
        former = None
    if former is not None and not stat.S_ISREG(former):
        with naming(path):
            target.write_text(content, "utf-8", newline="\n")
        return
    with naming(path), contextlib.ExitStack() as undo:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        temporary = Path(name)
        undo.callback(_remove_file, temporary)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            os.fchmod(file.fileno(), _new_mode() if former is None else stat.S_IMODE(former))
            file.write(content)
        temporary.replace(target)
        undo.pop_all()


def _missing(folder: Path) -> list[Path]:
    """Return the folders that have to be created for a folder, the highest first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    return missing[::-1]


def _new_mode() -> int:
    """Return the permission bits of a new file."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def _remove_file(path: Path) -> None:
    with contextlib.suppress(OSError):  # the error that is raised tells more
        path.unlink()


def _remove_folder(path: Path) -> None:
    with contextlib.suppress(OSError):  # another process has put a file into it
        path.rmdir()
