"""Settings of all tests."""

from __future__ import annotations

import gc
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import code_blocks, fast_tests

if TYPE_CHECKING:
    from pathlib import Path

# A shell starts background jobs with SIGINT ignored, which child processes inherit. Tests send SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Trees, reports and templates are many objects and few circles: with Python's thresholds a tenth of the processor time
# of a run is spent on collections that free nothing.
gc.set_threshold(50_000, 50, 10)


@pytest.fixture(scope="session")
def dsql_migrated() -> None:
    """No migrations: the app that `make demo` has deployed in this folder is not the app of the tests."""


@pytest.fixture(scope="session", autouse=True)
def folder_of_nested_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have a pytest that a test starts make, and clean up, temporary folders of its own.

    It would otherwise remove those of earlier runs, whose gigabytes of databases take it tens of seconds.
    """
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(tmp_path_factory.mktemp("nested"))


@pytest.fixture
def page_blocks(request: pytest.FixtureRequest) -> list[code_blocks.Block]:
    """The code blocks of pages that this test verifies."""
    return code_blocks.taken_by(request.node.nodeid.partition("[")[0])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="run only the tests that start no process")


def pytest_collection(session: pytest.Session) -> None:
    # With pytest-xdist the tests run in workers, which the main process starts.
    config = session.config
    is_worker = hasattr(config, "workerinput")
    if config.getoption("--fast") and (is_worker or not config.getoption("numprocesses", None)):
        fast_tests.skip_tests_that_start_processes()
        config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnhandledThreadExceptionWarning")


def pytest_collection_finish() -> None:
    gc.freeze()  # modules and tests stay: a collection need not scan them, such as those at the end of the run


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("--fast") and fast_tests.is_left_out(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--fast"):
        fast_tests.deselect_tests_with_servers(config, items)
