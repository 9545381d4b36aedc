"""Watch the files of a project."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from typing import TYPE_CHECKING, TypeAlias

from watchfiles import Change, DefaultFilter, watch

from blocks_cli.errors import CommandError
from blocks_cli.sources.files import files_below, is_ignored
from blocks_runtime.shared.regular_files import read_regular

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_STEP, _DEBOUNCE, _TICK = 40, 400, 1000
"""Milliseconds: the pause after a change that ends a group, the longest group, and the time between two ticks."""

_SAME_TIME = 100_000_000
"""Nanoseconds in which two writes may get the same time of modification: the content of such files is compared, too."""

_Version: TypeAlias = "tuple[int, int, int]"


class Watcher:
    """Finds the files that changed since the last group; the first group counts from the construction.

    The system only tells when to look: files are compared by inode, size and time, so no change is lost, whatever the
    system leaves out; each second without a sign they are compared, too. Folders that are no part of an app are not
    watched: a folder of packages may have more files than the system watches.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._filter = DefaultFilter()
        self._recent: dict[str, str] = {}
        self._versions = self._look()

    def groups(self) -> Iterator[frozenset[str]]:
        """Yield groups of changed files, relative to the project; an empty group after a second without a change.

        Raises:
            CommandError: the folder of the project was removed.
        """
        while folders := _folders(self._root):
            if missed := self._settled():
                yield missed
            # A folder can be removed before it is watched: list the folders again.
            with contextlib.suppress(FileNotFoundError), contextlib.closing(_watch(folders)) as signs:
                for sign in signs:
                    changed = self._settled()
                    if changed or not sign:
                        yield changed
                    if sign and _folders(self._root) != folders:
                        break
        raise CommandError(
            f"{self._root}: the folder of the project was removed",
            "there is nothing left to deploy",
            "restore the folder and start `blocks dev` again",
        )

    def _settled(self) -> frozenset[str]:
        """Return the changed files once none was written in this moment: an editor may empty a file, then write it."""
        changed, end = self._changed(), time.monotonic() + _DEBOUNCE / 1000
        while changed and self._age() < _STEP / 1000 and time.monotonic() < end:
            time.sleep(_STEP / 1000)
            changed |= self._changed()
        return changed

    def _age(self) -> float:
        """Return the seconds since the last write of a recent file."""
        times = [self._versions[name][2] for name in self._recent if name in self._versions]
        return (time.time_ns() - max(times)) / 1e9 if times else math.inf

    def _changed(self) -> frozenset[str]:
        recent = {name: digest for name, digest in self._recent.items() if self._digest(name) != digest}
        before, self._versions = self._versions, self._look()
        names = {*before, *self._versions}
        return frozenset(
            name for name in names if name in recent or before.get(name) != self._versions.get(name)
        )

    def _look(self) -> dict[str, _Version]:
        found: dict[str, _Version] = {}
        self._recent = {}
        now = time.time_ns()
        for name in files_below(self._root):
            if self._filter(Change.modified, name):
                with contextlib.suppress(OSError):  # removed in this moment
                    status = (self._root / name).stat()
                    found[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
                    if now - status.st_mtime_ns < _SAME_TIME:
                        self._recent[name] = self._digest(name)
        return found

    def _digest(self, name: str) -> str:
        try:
            return hashlib.sha256(read_regular(self._root / name)).hexdigest()
        except OSError:
            return ""


def _watch(folders: frozenset[Path]) -> Generator[set[tuple[Change, str]], None, None]:
    return watch(
        *sorted(folders),
        step=_STEP,
        debounce=_DEBOUNCE,
        rust_timeout=_TICK,
        yield_on_timeout=True,
        recursive=False,
    )


def _folders(folder: Path) -> frozenset[Path]:
    """Return a folder and the folders in it, except those that are no part of an app; none if it is no folder."""
    found: set[Path] = set()
    with contextlib.suppress(OSError):
        entries = [*folder.iterdir()]
        found.add(folder)
        for each in entries:
            if not is_ignored(each.name) and not each.is_symlink() and each.is_dir():
                found |= _folders(each)
    return frozenset(found)
