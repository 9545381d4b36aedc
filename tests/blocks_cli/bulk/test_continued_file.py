"""Files that a journal continues: only the bytes that it says are continued, and no other file is changed."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from blocks_cli.bulk.continued_file import ContinuedFile, Differs, FileState, Taken
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = b"first\nsecond\n"


def written(path: Path, content: bytes = WRITTEN) -> FileState:
    """Write a file; return its state, as a journal has it."""
    file = ContinuedFile(path)
    file.begin()
    if content:
        file.write(content)
    state = file.state
    file.close()
    return state


CONTINUED = {
    "as it was": WRITTEN,
    "more, which was not recorded": WRITTEN + b"half a li",
}
DIFFERENT = {
    "emptied": b"",
    "shorter": WRITTEN[:-1],
    "of the same size": WRITTEN.upper(),
    "longer": b"precious\n" * 100,
    "missing": None,
}
"""Content of the file when it is to be continued."""


@pytest.mark.parametrize("content", CONTINUED.values(), ids=CONTINUED)
def test_a_file_is_continued_after_the_bytes_of_the_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f"
    state = written(path)
    path.write_bytes(content)
    file = ContinuedFile(path)
    file.resume(state)
    file.write(b"third\n")
    after = file.state
    file.close()
    assert path.read_bytes() == WRITTEN + b"third\n"
    assert after.digest == written(tmp_path / "whole", WRITTEN + b"third\n").digest


@pytest.mark.parametrize("content", DIFFERENT.values(), ids=DIFFERENT)
def test_another_file_is_not_continued(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "f"
    state = written(path)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Differs):
        ContinuedFile(path).resume(state)
    assert (path.read_bytes() if path.exists() else None) == content


@pytest.mark.parametrize("act", ["begin", "resume", "restart"])
@pytest.mark.parametrize("size", [0, len(WRITTEN)])
def test_a_file_of_another_program_keeps_its_bytes(tmp_path: Path, act: str, size: int) -> None:
    """A state of no bytes fits each file by its digest, so the number of the file counts."""
    path = tmp_path / "f"
    state = written(path, WRITTEN[:size])
    path.rename(tmp_path / "moved")
    path.write_bytes(b"precious\n" * 100)
    file = ContinuedFile(path)
    with pytest.raises((Taken, Differs)):
        file.begin() if act == "begin" else file.resume(state) if act == "resume" else file.restart(state)
    assert path.read_bytes() == b"precious\n" * 100
    assert not file.is_open


def test_a_restart_empties_the_file_of_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "f"
    state = written(path)
    for known in (state, replace(state, inode=0)):  # as on another file system
        path.write_bytes(WRITTEN + b"more")
        file = ContinuedFile(path)
        file.restart(known)
        assert file.state.size == path.stat().st_size == 0
        file.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first, second = (ContinuedFile(tmp_path / "f") for _ in range(2))
    first.begin()
    with pytest.raises(CommandError, match="another process writes it"):
        second.begin()
    first.close()
    second.begin()
    second.close()


def test_a_file_that_was_renamed_while_it_was_opened_is_not_the_one_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that has completed it must not find rows of another one in it."""
    path, complete = tmp_path / "f", tmp_path / "complete"
    path.write_bytes(b"")
    real = os.open

    def rename_after(name: str, *arguments: int) -> int:
        found = real(name, *arguments)
        if not complete.exists():
            path.rename(complete)
        return found

    monkeypatch.setattr(os, "open", rename_after)
    file = ContinuedFile(path)
    file.begin()
    file.write(b"new")
    file.close()
    assert (path.read_bytes(), complete.read_bytes()) == (b"new", b"")
