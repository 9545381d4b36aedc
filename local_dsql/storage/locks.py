"""File locks, which the kernel releases when their holder ends."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_POLL = 0.005


class FileLock:
    """An advisory lock on a file (flock); the file is empty and is never removed.

    A child process made by `fork` shares the lock; only the process that acquired it releases it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._owner = 0

    def lock_shared(self, timeout: float) -> None:
        """Acquire the lock in shared mode; wait at most `timeout` seconds.

        Raises:
            TimeoutError: another holder has it in exclusive mode.
        """
        self._poll(fcntl.LOCK_SH, timeout)

    def lock_exclusive(self, timeout: float) -> None:
        """Acquire the lock in exclusive mode; wait at most `timeout` seconds.

        Raises:
            TimeoutError: another holder has it.
        """
        self._poll(fcntl.LOCK_EX, timeout)

    def try_lock_exclusive(self) -> bool:
        """Acquire the lock in exclusive mode without waiting; return whether that succeeded."""
        try:
            self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Release the lock; no effect if it is not held."""
        if self._descriptor is None:
            return
        if self._owner == os.getpid():
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
        self._descriptor = None

    def _poll(self, operation: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self._lock(operation | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self.release()
                    raise TimeoutError(f"{self._file} is locked") from None
                time.sleep(_POLL)

    def _lock(self, operation: int) -> None:
        if self._descriptor is None:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
            self._owner = os.getpid()
        fcntl.flock(self._descriptor, operation)
