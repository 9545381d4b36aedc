"""Remedies for errors of files and folders, by the number of the error."""

from __future__ import annotations

import errno

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""A disk or quota is full."""

_AGAIN = "then run the command again"
_GRANT = f"grant this user access to it, or remove it, {_AGAIN}"

_REMEDIES = {
    errno.EACCES: _GRANT,
    errno.EPERM: _GRANT,
    errno.EROFS: "work on a copy in a folder that can be written, or mount the file system with write access",
    errno.ENAMETOOLONG: "choose a shorter name or path: most file systems take 255 bytes for each name",
    errno.ENOENT: f"correct the path, or create what is missing, {_AGAIN}",
    errno.ENOTDIR: f"correct the path: a part of it is a file; or remove the file, {_AGAIN}",
    errno.EISDIR: f"correct the path: it is a folder; or remove the folder, {_AGAIN}",
    errno.EEXIST: f"remove it, {_AGAIN}",
    errno.ENOTEMPTY: f"end the process that writes into it, {_AGAIN}",
    errno.ELOOP: f"remove one of the symbolic links, which name each other, {_AGAIN}",
    errno.EMFILE: f"raise the limit of this process with `ulimit -n`, {_AGAIN}",
    errno.ENFILE: f"end programs that have many files open, {_AGAIN}",
    errno.EIO: f"check the disk: the system cannot use it, {_AGAIN}",
    errno.ESTALE: f"mount the network file system again, {_AGAIN}",
    **dict.fromkeys(FULL, f"free space on its disk, {_AGAIN}"),
}


def remedy_of(error: OSError) -> str:
    """Return what to do about an error of a file."""
    return _REMEDIES.get(error.errno or 0, f"remove the reason that the system gives, {_AGAIN}")
