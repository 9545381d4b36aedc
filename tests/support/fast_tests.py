"""`make test-fast` (`pytest --fast`): the tests that need no other process, so no PostgreSQL, no Node, no servers.

There is no list of fast tests that a new test could be missing from: a test that starts a process is skipped at that
moment, all others run. Only the paths below are left out. A file is not even imported if each of its tests asks for a
fixture that starts a process, because all of them would be skipped.
"""

from __future__ import annotations

import os
import re
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

_FIXTURES = frozenset(
    (
        *("cluster", "shared_cluster", "dsql", "dsql_cluster", "laboratory", "server", "deployment", "db"),
        *("admin", "connection"),
    )
)
"""Names of fixtures that start PostgreSQL, or connect to it."""
_TEST = re.compile(r"^ *(?:async )?def test_\w+\(([^)]*)", re.MULTILINE)

_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "os.exec"})


def is_left_out(path: Path) -> bool:
    """Return whether a file or folder is left out."""
    if any(path.is_relative_to(TESTS / folder) for folder in LEFT_OUT):
        return True
    return (
        path.name.startswith("test_")
        and path.suffix == ".py"
        and _all_start_processes(path.read_text("utf-8"))
    )


def _all_start_processes(source: str) -> bool:
    """Return whether each test of a module asks for one of the fixtures that start processes."""
    tests = [set(re.findall(r"\w+", parameters)) for parameters in _TEST.findall(source)]
    return bool(tests) and all(parameters & _FIXTURES for parameters in tests)


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
