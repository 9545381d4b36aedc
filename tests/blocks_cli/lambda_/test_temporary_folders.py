"""Temporary folders are removed after the end of their process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from blocks_cli.lambda_.temporary_folders import TemporaryFolders


def test_folders_of_killed_processes_are_removed_and_others_kept(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (tmp_path / f"{other.pid}-alive").mkdir()
        TemporaryFolders(tmp_path)
        assert [folder.name for folder in tmp_path.iterdir()] == [f"{other.pid}-alive"]
        other.kill()
    own = Path(TemporaryFolders(tmp_path).new())
    assert list(tmp_path.iterdir()) == [own]
