"""Temporary folders go with the process they belong to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from blocks_cli.lambda_.temporary_folders import TemporaryFolders


def test_what_a_killed_process_left_is_removed_and_what_others_use_is_kept(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (tmp_path / f"{other.pid}-alive").mkdir()
        TemporaryFolders(tmp_path)
        assert [folder.name for folder in tmp_path.iterdir()] == [f"{other.pid}-alive"]
        other.kill()
    own = Path(TemporaryFolders(tmp_path).new())
    assert list(tmp_path.iterdir()) == [own]
