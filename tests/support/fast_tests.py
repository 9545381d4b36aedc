"""`make test-fast` (`pytest --fast`): the tests that need no other process, so no PostgreSQL, no Node, no servers.

There is no list of fast tests that a new test could be missing from: a test that starts a process is skipped at that
moment, all others run. Only those below are left out.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import FrameType

TESTS = Path(__file__).parents[1]

LEFT_OUT = ("blocks", "blocks_cli/lambda_", "end_to_end", "dsql_dialect/test_linear.py")
"""Paths below `tests/` that import the CDK in conftest.py, which starts Node, or measure processor time."""

_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "os.exec"})


def is_left_out(path: Path) -> bool:
    """Return whether a file is left out, or in a folder that is."""
    return any(path.is_relative_to(TESTS / folder) for folder in LEFT_OUT)


def skip_tests_that_start_processes() -> None:
    """Skip each test, or module on import, that is about to start a process."""
    signal.signal(signal.SIGUSR1, _skip_in_main_thread)
    sys.addaudithook(_skip)


def _skip(event: str, arguments: tuple[object, ...]) -> None:
    if event in _STARTS or (event == "import" and arguments[0] == "jsii"):
        if threading.current_thread() is not threading.main_thread():
            os.kill(os.getpid(), signal.SIGUSR1)  # the test may wait for this thread without end
        _skip_test(event)


def _skip_in_main_thread(_signal: int, _frame: FrameType | None) -> None:
    if "PYTEST_CURRENT_TEST" in os.environ:  # not after the test has ended
        _skip_test("in a thread")


def _skip_test(event: str) -> None:
    pytest.skip(f"starts a process: {event}", allow_module_level=True)
