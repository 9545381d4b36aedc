"""`make test-fast` (`pytest --fast`): the tests that need no other process, so no PostgreSQL, no Node, no servers.

There is no list of fast tests that a new test could be missing from: a test that starts a process is skipped at that
moment, all others run. Only the folders below are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

LEFT_OUT = ("blocks", "blocks_cli/lambda_", "end_to_end")
"""Folders below `tests/` that import the CDK in conftest.py, which starts Node, or start processes in threads."""

_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "os.exec"})


def is_left_out(path: Path) -> bool:
    """Return whether a file is in one of the folders that are left out."""
    return any(path.is_relative_to(TESTS / folder) for folder in LEFT_OUT)


def skip_tests_that_start_processes() -> None:
    """Skip each test, or module on import, that is about to start a process."""
    sys.addaudithook(_skip)


def _skip(event: str, arguments: tuple[object, ...]) -> None:
    if event in _STARTS or (event == "import" and arguments[0] == "jsii"):
        pytest.skip(f"starts a process: {event}", allow_module_level=True)
