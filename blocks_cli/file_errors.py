"""Errors of files and folders, as errors of the command line."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from local_dsql.storage.file_remedies import FULL, remedy_of

_OF_OTHERS = {errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTEMPTY}
"""Error numbers that a file of another user can cause."""


def is_full_disk(error: OSError) -> bool:
    """Return whether a disk or quota is full."""
    return error.errno in FULL


def file_error(error: OSError) -> CommandError:
    """Return the error for a file that cannot be written or read: the owner, the full disk, or the system's reason."""
    name = os.fsdecode(error.filename) if error.filename else "the output of this command, or a file"
    why = error.strerror or str(error)
    what = f"{name}: cannot be written or read"
    if is_full_disk(error):
        remedy = f"{remedy_of(error)}; `blocks clean` frees what can be made again"
        return CommandError(what, why, remedy, ExitCode.MIGRATION_FAILED)
    if error.errno in _OF_OTHERS and (owner := _other_owner(Path(name))):
        place, user = owner
        remedy = f"take it over with `sudo chown -R {os.geteuid()} {place}`, and run the command as one user"
        return CommandError(what, f"{why}; {place} belongs to {user}", remedy)
    return CommandError(what, why, remedy_of(error))


def remove_tree(folder: Path) -> None:
    """Remove a folder with its content.

    Raises:
        OSError: it cannot be removed; its `filename` is the folder, where `shutil.rmtree` has a name without a path.
    """
    import shutil  # with the modules of all archive formats

    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


def _other_owner(path: Path) -> tuple[Path, str] | None:
    """Return the highest path below the working directory that belongs to another user, and that user's name.

    `path` may be missing: the nearest existing path upwards counts.
    """
    existing = next((each for each in (path, *path.parents) if os.path.lexists(each)), None)
    if existing is None or (owner := existing.lstat().st_uid) == os.geteuid():
        return None
    here = Path.cwd()
    for parent in existing.parents:
        if parent == here or not parent.is_relative_to(here) or parent.lstat().st_uid != owner:
            break
        existing = parent
    return existing, _name(owner)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
