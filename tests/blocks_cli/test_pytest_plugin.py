"""The fixtures `dsql` and `blocks_app` in a project of their own, in a separate pytest process."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from tests.support.plugin_runs import run_pytest
from tests.support.timing import TooSlowError, unless_busy

if TYPE_CHECKING:
    from pathlib import Path

HANDLERS = """
from blocks_runtime import AsyncDistributedDatabase, DistributedDatabase, jsonable, sql
import shared_names
import asyncio

db = DistributedDatabase("main")
tasks = AsyncDistributedDatabase("main")

def handler(event, context):
    assert context.get_remaining_time_in_millis() > 1000
    db.execute(sql("INSERT INTO t2 (n) VALUES ({n})", n=event["n"]))
    return jsonable(db.query(sql("SELECT * FROM t2")))

def raw(event, context):
    return db.query(sql("SELECT * FROM t1"))

def concurrent(event, context):
    return asyncio.run(tasks.query_value(sql("SELECT count(*) FROM t2")))
"""
TESTS = """
import pytest
from blocks_runtime import errors, sql

@pytest.mark.parametrize("n", range(96))
def test_each_has_its_own_rows(blocks_app, n):
    rows = blocks_app.invoke("functions/orders.py", {"n": n})
    assert [row["n"] for row in rows] == [n]
    assert blocks_app.db.query_value(sql("SELECT n FROM t1")) == 42

def test_a_result_that_is_not_json(blocks_app):
    with pytest.raises(TypeError, match=r"UUID is not JSON serializable; return blocks_runtime.jsonable"):
        blocks_app.invoke("functions/orders.py:raw")

def test_asyncio(blocks_app):
    assert blocks_app.invoke("functions/orders.py:concurrent") == 0

def test_faults(blocks_app):
    blocks_app.db.simulate_conflict()
    with pytest.raises(errors.SerializationFailure):
        blocks_app.db.transaction(lambda tx: tx.execute(sql("INSERT INTO t3 (n) VALUES (1)")))

def test_no_handler(blocks_app):
    with pytest.raises(FileNotFoundError, match="name a handler as functions/transfer.py:handler"):
        blocks_app.invoke("functions/order.py")
    with pytest.raises(AttributeError, match="has no function nosuch"):
        blocks_app.invoke("functions/orders.py:nosuch")
"""
MIGRATIONS = 14


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of 14 migrations, the last of which inserts a row, and of 100 tests."""
    for folder in ("migrations", "functions", "tests"):
        (tmp_path / folder).mkdir()
    for number in range(1, MIGRATIONS):
        (tmp_path / f"migrations/{number:03}_t{number}.sql").write_text(
            f"CREATE TABLE t{number} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int);"
        )
    (tmp_path / f"migrations/{MIGRATIONS:03}_row.sql").write_text("INSERT INTO t1 (n) VALUES (42);")
    (tmp_path / "functions/orders.py").write_text(HANDLERS)
    (tmp_path / "functions/shared_names.py").write_text("")
    (tmp_path / "tests/test_app.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


@pytest.mark.slow
def test_a_hundred_tests_over_14_migrations_take_six_seconds_on_two_cores(project: Path) -> None:
    """The bound is for a machine that is idle, where it holds by far; a load counts, so a busy one gets more."""
    # Plugins of this project's environment, which import most of a second at the end of a session.
    without = [option for plugin in ("hypothesispytest", "syrupy") for option in ("-p", f"no:{plugin}")]

    def run() -> None:
        busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1) + 1)
        output = run_pytest(project, "-n", "2", *without)
        assert "100 passed" in output
        (seconds,) = re.findall(r"in ([\d.]+)s", output)
        if float(seconds) > 6 * busy:
            raise TooSlowError(f"{seconds} s")

    unless_busy(run)


@pytest.mark.slow
def test_a_test_takes_as_long_with_many_migrations_as_with_few(project: Path) -> None:
    """Both alternate in one session: the ratio holds on a busy machine, too."""
    (project / "tests/test_app.py").write_text(
        """
import shutil, time
from pathlib import Path
from statistics import median
from blocks_cli.testing import MigratedDatabase
from local_dsql import LocalCluster

def test_ratio(tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    shutil.copy(Path("migrations/001_t1.sql"), few)
    taken = {}
    with LocalCluster(tmp_path / "a") as a, LocalCluster(tmp_path / "b") as b:
        databases = {"few": MigratedDatabase(a, few), "many": MigratedDatabase(b, "migrations")}
        for turn in range(24):
            for name, database in databases.items():
                began = time.perf_counter()
                database.restore()
                taken.setdefault(name, []).append(time.perf_counter() - began)
    assert median(taken["many"]) < 2 * median(taken["few"]), taken
"""
    )
    assert "1 passed" in run_pytest(project)


@pytest.mark.slow
def test_a_read_only_project(project: Path) -> None:
    """As in a container: root may write everywhere, so the folder of the cache is a file."""
    (project / "tests/test_app.py").write_text("def test_it(dsql):\n    assert dsql.status\n")
    (project / ".pytest_cache").write_text("")
    assert "1 passed" in run_pytest(project, "-p", "no:warnings")


@pytest.mark.slow
def test_changed_migrations_are_applied_in_the_next_session(project: Path) -> None:
    test = "import psycopg\ndef test_it(dsql):\n    psycopg.connect(dsql.dsn()).execute('SELECT * FROM {}')\n"
    (project / "tests/test_app.py").write_text(test.format("t13"))
    run_pytest(project, "-p", "no:warnings")
    (project / "migrations/015_more.sql").write_text("CREATE TABLE more (id int PRIMARY KEY);")
    (project / "tests/test_app.py").write_text(test.format("more"))
    run_pytest(project, "-p", "no:warnings")


def test_the_empty_database_and_another_folder(project: Path) -> None:
    (project / "migrations").rename(project / "schema")
    (project / "pytest.ini").write_text("[pytest]\ndsql_migrations = schema\n")
    (project / "tests/test_app.py").write_text(
        """
import psycopg
COUNT = "SELECT count(*) FROM pg_class WHERE relname LIKE 't1%' AND relkind = 'r'"

def count(cluster):
    with psycopg.connect(cluster.dsn()) as connection:
        return connection.execute(COUNT).fetchone()[0]

def test_migrated(dsql):
    assert count(dsql) == 5

def test_empty(dsql_empty):
    assert count(dsql_empty) == 0

def test_migrated_again(dsql):
    assert count(dsql) == 5
"""
    )
    assert "3 passed" in run_pytest(project)


def test_a_role_of_the_migrations_that_a_test_changes(project: Path) -> None:
    (project / "tests/test_app.py").write_text(
        """
import psycopg, pytest

@pytest.mark.parametrize("turn", range(3))
def test_it(dsql, turn):
    with psycopg.connect(dsql.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE other WITH LOGIN")
        connection.execute("GRANT SELECT ON t1 TO other")
        assert connection.execute("SELECT n FROM t1").fetchall() == [(42,)]
"""
    )
    assert "3 passed" in run_pytest(project)


def test_the_snapshot_is_that_of_the_cluster(dsql_empty: LocalCluster) -> None:
    assert isinstance(dsql_empty, LocalCluster)
