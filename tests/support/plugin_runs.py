"""A run of pytest in a folder, with only the installed plugins."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.processes import processes_of

if TYPE_CHECKING:
    from pathlib import Path


def run_pytest(folder: Path, *options: str) -> str:
    """Run the tests of a folder, which must pass and leave no process; return the output of pytest."""
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-W", "error", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert not processes_of(folder)
    return answer.stdout
