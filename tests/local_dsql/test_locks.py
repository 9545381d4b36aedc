"""File locks between open files, and across fork."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from local_dsql.storage.locks import FileLock

if TYPE_CHECKING:
    from pathlib import Path


def test_shared_and_exclusive_mode(tmp_path: Path) -> None:
    one, other, third = (FileLock(tmp_path / "lock") for _ in range(3))
    one.lock_shared(0)
    other.lock_shared(0)
    assert not third.try_lock_exclusive()
    one.release()
    assert not third.try_lock_exclusive()
    other.release()
    assert third.try_lock_exclusive()
    with pytest.raises(TimeoutError, match="is locked"):
        one.lock_shared(0.01)
    third.release()
    one.lock_shared(0)
    one.release()
    one.release()


def test_a_forked_child_does_not_release_the_parents_lock(tmp_path: Path) -> None:
    held, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    held.lock_shared(0)
    child = os.fork()
    if child == 0:
        held.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert not other.try_lock_exclusive()
    held.release()
    assert other.try_lock_exclusive()
    other.release()
