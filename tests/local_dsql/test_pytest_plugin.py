"""The pytest plugin, in a separate pytest process."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

import local_dsql
from dsql_dialect.profiles import DEFAULT, NEWEST
from local_dsql import pytest_plugin
from tests.support.plugin_runs import run_pytest

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import psycopg, pytest

@pytest.mark.parametrize("time", range(3))
def test_fresh(dsql, time):
    with psycopg.connect(dsql.dsn("eu-west-1"), autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
        connection.execute("CREATE ROLE r WITH LOGIN")
    assert dsql.status.dialect == "2026-09"
    assert not dsql.injections()
    dsql.inject("OC000")
    dsql.inject("OC000", predicate=lambda attempt: pytest.fail("asked about another test's COMMIT"), times=None)
    dsql.stop_region("eu-west-1")

def test_survives_a_stop(dsql):
    from local_dsql import stop_server
    assert stop_server(dsql.folder.path)

def test_after_a_stop(dsql):
    psycopg.connect(dsql.dsn()).close()
"""
INI = "[pytest]\ndsql_dialect = 2026-09\ndsql_regions = us-east-1 eu-west-1\n"


def run_tests(folder: Path, tests: str, ini: str, *options: str) -> str:
    """Run tests with an ini file in a folder, and return the output of pytest."""
    for name, text in {"test_it.py": tests, "pytest.ini": ini}.items():
        (folder / name).write_text(text)
    return run_pytest(folder, *options)


def test_each_test_has_a_fresh_database(tmp_path: Path) -> None:
    assert "5 passed" in run_tests(tmp_path, TESTS, INI)


@pytest.mark.slow
def test_example_in_the_documentation_runs_as_it_is(tmp_path: Path) -> None:
    _, _, example = inspect.cleandoc(pytest_plugin.__doc__ or "").partition("\n\n")
    lines = [line for line in example.splitlines() if line.startswith("    ") or not line]
    assert "1 passed" in run_tests(
        tmp_path, textwrap.dedent("\n".join(lines)), "[pytest]\n", "-p", "no:cacheprovider"
    )


IMPORT = """
import sys, pytest
before = set(sys.modules)
import local_dsql.pytest_plugin
print(*sorted(set(sys.modules) - before))
"""


def test_the_plugin_imports_only_itself_and_the_helper_for_lazy_exports() -> None:
    answer = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert set(answer.stdout.split()) <= {
        *("blocks_runtime", "blocks_runtime.shared", "blocks_runtime.shared.lazy_exports"),
        *("local_dsql", "local_dsql.pytest_plugin"),
    }


@pytest.mark.parametrize("name", local_dsql.__all__)
def test_public_names_are_exported(name: str) -> None:
    assert getattr(local_dsql, name).__name__ == name


def test_other_names_raise_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Cluster'"):
        local_dsql.Cluster  # noqa: B018


SPEAKS = """
def test_speaks(dsql):
    assert (dsql.status.dialect, *dsql.regions) == ("{dialect}", "eu-west-1")
"""
PROJECT = f'[tool.blocks]\ndialect = "{NEWEST.name}"\nregions = ["eu-west-1"]\n'


@pytest.mark.slow
def test_the_settings_of_the_project_configure_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert "1 passed" in run_tests(tmp_path, SPEAKS.format(dialect=NEWEST.name), "[pytest]\n")
    monkeypatch.setenv("BLOCKS_DIALECT", DEFAULT.name)
    assert "1 passed" in run_tests(tmp_path, SPEAKS.format(dialect=DEFAULT.name), "[pytest]\n")
    ini = f"[pytest]\ndsql_dialect = {NEWEST.name}\n"
    assert "1 passed" in run_tests(tmp_path, SPEAKS.format(dialect=NEWEST.name), ini)


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_not_used(tmp_path: Path) -> None:
    (tmp_path / ".pytest_cache").write_text("no folder: a mkdir fails, as in a read-only project")
    test = "def test_runs(dsql):\n    dsql.inject()\n"
    assert "1 passed" in run_tests(tmp_path, test, "[pytest]\n", "-W", "ignore::pytest.PytestCacheWarning")
