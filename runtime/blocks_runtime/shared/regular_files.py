"""Read files of a project without a wait: a pipe, a device or a socket is refused, and never read."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_regular(path: Path, *, allow_pipe: bool = False) -> bytes:
    """Return the content of a file; a link is followed.

    Args:
        path: the file.
        allow_pipe: read a pipe to its end, such as the one of the shell's `<(command)`.

    Raises:
        OSError: it cannot be read, or is not a regular file; opening another one could wait, or have an effect.
    """
    check_regular(path, allow_pipe=allow_pipe)
    # Between the check and this call, another process may have put a pipe here: O_NONBLOCK opens it without a wait.
    with os.fdopen(os.open(path, os.O_RDONLY | (0 if allow_pipe else os.O_NONBLOCK)), "rb") as file:
        _check(path, os.fstat(file.fileno()).st_mode, allow_pipe=allow_pipe)
        return file.read()


def check_regular(path: Path, *, allow_pipe: bool = False) -> None:
    """Refuse a path that is not a regular file; a link is followed.

    Raises:
        OSError: it is none, or does not exist.
    """
    _check(path, path.stat().st_mode, allow_pipe=allow_pipe)


def _check(path: Path, mode: int, *, allow_pipe: bool) -> None:
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFREG or (allow_pipe and kind == stat.S_IFIFO):
        return
    number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
    raise OSError(number, f"it is {_KINDS.get(kind, 'no file')}, not a regular file", str(path))
