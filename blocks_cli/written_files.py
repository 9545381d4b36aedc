"""Files that a command writes for the user: complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import FileIO


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
    """Write a file; one that exists has its former content until the new one is complete.

    As with an editor, a file that is protected against writing is refused, and one that exists keeps its owner, mode
    and links. A link is followed. A device or a pipe, such as /dev/stdout, is written directly.

    Raises:
        OSError: the file cannot be written, and has its former content; its `filename` is `path`.
    """
    try:
        target = Path(os.path.realpath(path))
        former = _status(target)
        if former is not None and not stat.S_ISREG(former.st_mode):
            target.write_text(content, "utf-8", newline="\n")
        elif former is not None and not os.access(target, os.W_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        elif not _rename_over(target, former, content.encode()):
            _overwrite(target, content.encode())
    except OSError as error:  # it may name a temporary file, or the target of a link
        raise OSError(error.errno, error.strerror, str(path)) from error


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def _rename_over(target: Path, former: os.stat_result | None, content: bytes) -> bool:
    """Write a file beside `target`, and rename it; return False if an existing file has to be overwritten instead.

    That is so for one with several links, one that is mounted by itself, one of another user, and in a folder without
    the permission to write.
    """
    if former is not None and former.st_nlink > 1:
        return False
    with contextlib.ExitStack() as undo:
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
        except PermissionError:
            if former is None:
                raise
            return False
        undo.callback(_remove_file, Path(name))
        with os.fdopen(descriptor, "wb") as file:
            if former is not None and not _owned_by(file.fileno(), former.st_uid, former.st_gid):
                return False
            os.fchmod(file.fileno(), _new_mode() if former is None else stat.S_IMODE(former.st_mode))
            file.write(content)
        try:
            Path(name).replace(target)
        except OSError as error:
            if former is None or error.errno not in _NOT_REPLACEABLE:
                raise
            return False
        undo.pop_all()
    return True


_NOT_REPLACEABLE = {errno.EBUSY, errno.EPERM, errno.EACCES}
"""Error numbers of a rename over a file that is mounted, and over one of another user in a folder as /tmp."""


def _owned_by(descriptor: int, user: int, group: int) -> bool:
    """Give a new file an owner and a group; return whether it has them."""
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (user, group):
        try:
            os.fchown(descriptor, user, group)
        except PermissionError:
            return False
    return True


def _overwrite(target: Path, content: bytes) -> None:
    """Write into an existing file; after an error it gets its former content again."""
    with target.open("r+b", buffering=0) as file:
        former = file.read()
        try:
            _fill(file, content)
        except BaseException:
            with contextlib.suppress(OSError):  # the error that is raised tells more
                _fill(file, former)
            raise


def _fill(file: FileIO, content: bytes) -> None:
    """Make a file have a content; its former bytes are overwritten, so that the disk has room for as many."""
    file.seek(0)
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
    file.truncate()


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
