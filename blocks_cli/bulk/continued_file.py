"""Files that one run begins and a later run continues, after what a journal says of them.

The journal has a `FileState`: size and digest of the bytes, and the number of the file. A file is cut to that size only
if its bytes have the digest, so no other file is cut, and none is extended. A file is begun only where there is none.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING

from blocks_cli import console
from blocks_cli.errors import CommandError
from blocks_cli.written_files import naming

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class FileState:
    """The bytes that a file has: their number and digest; and the number of the file in its file system."""

    size: int
    digest: str
    inode: int


class Taken(Exception):
    """There is a file already, and it is not empty."""


class Differs(Exception):
    """A file has not the bytes that a journal says."""


class ContinuedFile:
    """A file that is written at its end, locked by its process.

    A device or a pipe, such as /dev/null, has no former bytes.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None
        self._size = 0
        self._digest = _new_digest()

    @property
    def is_open(self) -> bool:
        """True between `begin` or `resume`, and `close`."""
        return self._file is not None

    @property
    def state(self) -> FileState:
        """The bytes written so far."""
        assert self._file is not None
        return FileState(self._size, self._digest.hexdigest(), os.fstat(self._file.fileno()).st_ino)

    def begin(self) -> None:
        """Create the file; one that is empty is taken.

        Raises:
            Taken: it has bytes.
            CommandError: another process writes it.
        """
        file = self._opened(os.O_CREAT)
        found = os.fstat(file.fileno())
        if stat.S_ISREG(found.st_mode) and found.st_size:
            self.close()
            raise Taken

    def resume(self, state: FileState) -> None:
        """Open the file after the bytes of a state; what follows was written, but never recorded.

        Raises:
            Differs: its bytes are others, or it is missing.
            CommandError: another process writes it.
        """
        try:
            file = self._opened(0)
        except FileNotFoundError:
            raise Differs("it is missing") from None
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return
        try:
            self._read(file, state)
        except Differs:
            self.close()
            raise
        file.truncate(state.size)

    def restart(self, state: FileState | None) -> None:
        """Open the file that a run with this state has written, and empty it; create one that is missing.

        Raises:
            Taken: it is another file, and has bytes.
            CommandError: another process writes it.
        """
        file = self._opened(os.O_CREAT)
        found = os.fstat(file.fileno())
        if found.st_size and (state is None or not self._is_of(file, state)):
            self.close()
            raise Taken
        file.truncate(0)
        self._size, self._digest = 0, _new_digest()

    def write(self, content: bytes) -> None:
        """Append bytes."""
        assert self._file is not None
        with naming(self.path):
            write_all(self._file, content)
        self._size += len(content)
        self._digest.update(content)

    def sync(self) -> None:
        """Wait until the bytes are on the disk."""
        if self._file is not None:
            with naming(self.path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, and with it release the lock."""
        file, self._file = self._file, None
        if file is not None:
            with naming(self.path):
                file.close()

    def _opened(self, create: int) -> FileIO:
        self._file = open_locked(self.path, create, "another process writes it")
        return self._file

    def _is_of(self, file: FileIO, state: FileState) -> bool:
        if os.fstat(file.fileno()).st_ino == state.inode:
            return True
        try:
            self._read(file, state)
        except Differs:
            return False
        return True

    def _read(self, file: FileIO, state: FileState) -> None:
        """Read the bytes of a state, so that the digest goes on from there."""
        size = os.fstat(file.fileno()).st_size
        if size < state.size:
            raise Differs(f"it has {size:,} bytes, and the journal says {state.size:,}")
        if size and not state.size and os.fstat(file.fileno()).st_ino != state.inode:
            raise Differs("it is another file than that of the journal")
        digest, at = _new_digest(), 0
        with naming(self.path):
            while at < state.size and (piece := os.pread(file.fileno(), min(_PIECE, state.size - at), at)):
                digest.update(piece)
                at += len(piece)
        if digest.hexdigest() != state.digest:
            raise Differs(f"its first {state.size:,} bytes are not those that the journal says")
        self._size, self._digest = state.size, digest


def write_all(file: FileIO, content: bytes) -> None:
    """Write bytes without a buffer; the system may take some of them at a time."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def open_locked(path: Path, create: int, why: str) -> FileIO:
    """Open a file for appending and reading, and lock it.

    It is the file that has the name then: another process may have moved or removed the one that was opened first.

    Args:
        path: the file.
        create: `os.O_CREAT`, or 0.
        why: reason of the error.

    Raises:
        CommandError: another process has locked it.
    """
    while True:
        file = FileIO(
            path, "ab+", opener=lambda name, flags: os.open(name, flags & ~os.O_CREAT | create, 0o666)
        )
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise CommandError(
                f"{console.display_path(path.resolve())}: in use", why, "wait for its end"
            ) from None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _new_digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)
