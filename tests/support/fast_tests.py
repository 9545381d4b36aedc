"""`make test-fast` (`pytest --fast`): the tests that need no other process, so no PostgreSQL, no Node, no servers.

There is no list of fast tests that a new test could be missing from: a test that starts a process is skipped at that
moment, all others run. Only the paths below are left out. Tests that ask for a fixture that starts a process would all
be skipped, so they are deselected, and a file in which each test asks for one is not even imported.
"""

from __future__ import annotations

import re
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

LEFT_OUT = (
    *("blocks", "blocks_cli/dev", "blocks_cli/http", "blocks_cli/lambda_"),
    *("blocks_cli/test_first_week.py", "blocks_cli/test_logs.py"),
    *("blocks_cli/local/test_cleanup.py", "end_to_end"),
    *("dsql_dialect/test_linear.py", "dsql_dialect/test_grammar_corpus.py"),
    *(
        "local_dsql/engine/test_kept_commits.py",
        "local_dsql/wire/test_collector.py",
        "isolation/test_checker.py",
    ),
    *("lambda_migrator/test_ledger_model.py", "lambda_migrator/test_upgrade_model.py"),
)
"""Paths below `tests/` that import the CDK in conftest.py, which starts Node; that measure processor time; and models
with thousands of random histories."""

_FIXTURES = frozenset(
    (
        *("cluster", "shared_cluster", "dsql", "dsql_cluster", "laboratory", "server", "deployment", "db"),
        *("admin", "connection", "postgresql", "dynamo", "dynamodb_table"),
    )
)
"""Names of fixtures that start PostgreSQL or another server, or connect to it."""
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


def deselect_tests_with_servers(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that ask for a fixture that starts a server, themselves or by way of another fixture."""
    kept, deselected = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        asks = _FIXTURES & set(getattr(item, "fixturenames", ()))
        (deselected if asks else kept).append(item)
    config.hook.pytest_deselected(items=deselected)
    items[:] = kept


def skip_tests_that_start_processes() -> None:
    """Skip each test, or module on import, that is about to start a process.

    Call it in the thread that runs the tests: with pytest-xdist that is not the main thread.
    """
    sys.addaudithook(partial(_skip, threading.current_thread()))


def _skip(tests: threading.Thread, event: str, arguments: tuple[object, ...]) -> None:
    if event in _STARTS or (event == "import" and arguments[0] == "jsii"):
        if threading.current_thread() is not tests:
            raise RuntimeError(f"a thread of the test starts a process ({event}): add the file to LEFT_OUT")
        pytest.skip(f"starts a process: {event}", allow_module_level=True)
