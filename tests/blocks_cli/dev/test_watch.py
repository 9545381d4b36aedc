"""Changes of files that the watcher finds."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from blocks_cli.dev.watch import Watcher
from blocks_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _replace(root: Path) -> None:
    (root / "new").write_text("other")
    (root / "new").replace(root / "a.py")


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "content": (lambda root: (root / "a.py").write_text("longer"), {"a.py"}),
    "replaced by an editor": (_replace, {"a.py"}),
    "new": (lambda root: (root / "b.py").write_text(""), {"b.py"}),
    "deleted": (lambda root: (root / "a.py").unlink(), {"a.py"}),
    "renamed": (lambda root: (root / "a.py").rename(root / "c.py"), {"a.py", "c.py"}),
    "folder renamed": (lambda root: (root / "f").rename(root / "g"), {"f/x.sql", "g/x.sql"}),
    "hidden and swap files": (
        lambda root: [(root / name).write_text("") for name in (".a.py.swp", "a.py~", "a.pyc")],
        set(),
    ),
    "ignored folder": (lambda root: (root / "node_modules").mkdir(), set()),
}


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES)
def test_changes(tmp_path: Path, case: tuple[Callable[[Path], object], set[str]]) -> None:
    change, expected = case
    (tmp_path / "a.py").write_text("first")
    (tmp_path / "f").mkdir()
    (tmp_path / "f/x.sql").write_text("")
    watcher = Watcher(tmp_path)
    change(tmp_path)
    assert watcher._changed() - {".a.py.swp"} == expected
    assert watcher._changed() == set()


def test_two_writes_at_the_same_time(tmp_path: Path) -> None:
    """They may leave the same inode, size and time."""
    file = tmp_path / "a.py"
    file.write_text("one")
    watcher, status = Watcher(tmp_path), file.stat()
    file.write_text("two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert watcher._changed() == {"a.py"}


def test_a_file_that_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor empties the file, then writes it: both are one change."""
    file = tmp_path / "a.py"
    file.write_text("first")
    watcher = Watcher(tmp_path)
    file.write_text("")
    monkeypatch.setattr("blocks_cli.dev.watch.time.sleep", lambda _: file.write_text("second"))
    assert next(watcher.groups()) == {"a.py"}
    assert file.read_text() == "second"
    assert watcher._changed() == set()


def test_a_file_in_a_new_folder(tmp_path: Path) -> None:
    groups = Watcher(tmp_path).groups()
    (tmp_path / "new/inner").mkdir(parents=True)
    (tmp_path / "new/inner/x.py").write_text("")
    assert next(group for group in groups if group) == {"new/inner/x.py"}
    (tmp_path / "new/inner/y.py").write_text("")
    assert next(group for group in groups if group) == {"new/inner/y.py"}
    groups.close()  # type: ignore[attr-defined]


def test_a_folder_removed_before_it_is_watched(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    watcher = Watcher(tmp_path)
    (tmp_path / "a.py").write_text("")
    groups = watcher.groups()
    assert next(groups) == {"a.py"}  # the folders are listed, and not watched yet
    (tmp_path / "f").rmdir()
    (tmp_path / "b.py").write_text("")
    assert next(groups) == {"b.py"}


def test_a_removed_project(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text("")
    groups = Watcher(root).groups()
    assert next(groups) == set()
    shutil.rmtree(root)
    assert next(groups) == {"a.py"}
    with pytest.raises(CommandError, match="the folder of the project was removed"):
        next(groups)
