"""`make test-fast` (`pytest --fast`): the tests that need no other process, so no PostgreSQL, no Node, no servers.

There is no list of fast tests that a new test could be missing from: a test that starts a process is skipped at that
moment, all others run. Only the paths below are left out. Tests that ask for a fixture that starts a server would all
be skipped, so they are deselected. A file is not even imported if each of its tests asks for one, if all of it is
slow, or if it imports the CDK.
"""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent

LEFT_OUT = (
    *("blocks", "blocks_cli/dev", "blocks_cli/http", "blocks_cli/lambda_", "cloudformation"),
    *("blocks_cli/test_first_week.py", "blocks_cli/test_logs.py"),
    *("blocks_cli/local/test_cleanup.py", "end_to_end"),
    *("dsql_dialect/test_linear.py", "dsql_dialect/test_grammar_corpus.py", "test_regular_expressions.py"),
    *(
        "local_dsql/engine/test_kept_commits.py",
        "local_dsql/wire/test_collector.py",
        "isolation/test_checker.py",
    ),
    *("lambda_migrator/test_ledger_model.py", "lambda_migrator/test_upgrade_model.py"),
    *("dsql_dialect/test_properties.py", "lambda_peering/test_crashes.py", "blocks_runtime/test_gc_pause.py"),
)
"""Paths below `tests/` that import the CDK in conftest.py, which starts Node; that measure processor time or the
garbage collector; models with thousands of random histories, random texts, and a crash at each of many calls."""

SERVERS = (
    *("LocalCluster", "PlpgsqlCluster", "Cluster", "Server", "DataDirectory", "PlainPostgres", "LocalDynamo"),
    *("DifferentialRunner", "getfixturevalue"),
)
"""Names of which a fixture has one in its parameters, its type or its code if it starts a server or asks for one: the
types of running servers, and the function that asks for one of several."""

PLUGINS = ("local_dsql/pytest_plugin.py", "local_dynamodb/pytest_plugin.py", "blocks_cli/pytest_plugin.py")
"""Modules below the root whose fixtures every test has."""

_SERVER = re.compile(rf"\b(?:{'|'.join(SERVERS)})\b")
_TEST = re.compile(r"^ *(?:async )?def test_\w+\(([^)]*)", re.MULTILINE)
_NOT_FAST = re.compile(
    r"^(?:pytestmark = pytest\.mark\.slow\b|import (?:aws_cdk|jsii)\b|from (?:aws_cdk|blocks) import\b)",
    re.MULTILINE,
)
"""A line of a module whose tests take minutes, or that imports the CDK, which starts Node."""

_PARAMETRIZED = re.compile(r"\bparametrize\(\s*(\([^)]*\)|\"[^\"]*\")")
_FIXTURE = re.compile(
    r"^@pytest\.fixture(?P<options>\((?:[^()]|\([^()]*\))*\))?\n"
    r"(?:async )?def (?P<name>\w+)\((?P<parameters>[^)]*)\)(?P<rest>[^\n]*\n(?:(?: [^\n]*)?\n)*)",
    re.MULTILINE,
)

_STARTS = frozenset({"subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "os.exec"})


@dataclass(frozen=True)
class Fixtures:
    """The fixtures that need a server, as a module or a folder sees them; `every` if each test asks for one."""

    names: frozenset[str] = frozenset()
    every: bool = False

    def with_those_of(self, source: str) -> Fixtures:
        """Return the fixtures that the tests see beside or below a module, whose fixtures replace outer ones."""
        own = {fixture["name"]: fixture for fixture in _FIXTURE.finditer(source)}
        asked = {name: words(fixture["parameters"]) for name, fixture in own.items()}
        extended = {name for name in own if name in self.names & asked[name]}
        names = {name for name, fixture in own.items() if _SERVER.search(fixture[0])} | extended
        names |= self.names - own.keys()
        while more := {name for name in own if asked[name] & names} - names:
            names |= more
        autouse = {name for name, fixture in own.items() if "autouse=True" in (fixture["options"] or "")}
        return Fixtures(frozenset(names), self.every or not autouse.isdisjoint(names))

    def all_ask(self, source: str) -> bool:
        """Return whether each test of a module asks for a server; an argument of parametrize is no fixture."""
        given = set[str]().union(*map(words, _PARAMETRIZED.findall(source)))
        tests = [words(parameters) - given for parameters in _TEST.findall(source)]
        return bool(tests) and (self.every or not any(test.isdisjoint(self.names) for test in tests))


def words(parameters: str) -> set[str]:
    """Return the names of parameters, and the words of their types."""
    return set(re.findall(r"\w+", parameters))


@cache
def of_folder(folder: Path) -> Fixtures:
    """Return the fixtures that need a server for the tests of a folder."""
    if folder == ROOT or not folder.is_relative_to(ROOT):
        outer, modules = Fixtures(), [ROOT / name for name in PLUGINS]
    else:
        outer, modules = of_folder(folder.parent), [folder / "conftest.py"]
    for module in modules:
        if module.exists():
            outer = outer.with_those_of(module.read_text("utf-8"))
    return outer


@cache
def of_module(path: Path) -> Fixtures:
    """Return the fixtures that need a server for the tests of a module."""
    return of_folder(path.parent).with_those_of(path.read_text("utf-8"))


@cache
def is_left_out(path: Path) -> bool:
    """Return whether a file or folder is left out."""
    below = f"{path}/".removeprefix(f"{TESTS}/")
    if below.startswith(tuple(f"{name}/" for name in LEFT_OUT)):
        return True
    if below == f"{path}/" or not path.name.startswith("test_") or path.suffix != ".py":
        return False
    source = path.read_text("utf-8")
    return bool(_NOT_FAST.search(source)) or of_module(path).all_ask(source)


def deselect_tests_with_servers(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that ask for a fixture that needs a server, themselves or by way of another fixture."""
    kept, deselected = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        (deselected if asks_for_a_server(item) else kept).append(item)
    config.hook.pytest_deselected(items=deselected)
    items[:] = kept


def asks_for_a_server(item: pytest.Item) -> bool:
    """Return whether a test asks for a fixture that needs a server."""
    marks = [mark for mark in item.iter_markers("parametrize") if not mark.kwargs.get("indirect")]
    given = set[str]().union(*(words(str(mark.args[0])) for mark in marks))
    return bool((of_module(item.path).names & set(getattr(item, "fixturenames", ()))) - given)


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
