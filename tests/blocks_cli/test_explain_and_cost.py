"""`blocks explain` and `blocks cost` on a local database."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from tests.blocks_cli.migrations.conftest import project, running

if TYPE_CHECKING:
    from tests.blocks_cli.migrations.conftest import Project

__all__ = ["project", "running"]

TABLE = (
    "CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance int)",
    "INSERT INTO accounts SELECT n, 'owner ' || n % 50, n FROM generate_series(1, 2000) AS n",
    "ANALYZE accounts",
)
QUERY = "SELECT balance FROM accounts WHERE owner = 'owner 7'"
INDEX = "CREATE INDEX ASYNC accounts_owner_balance_idx ON public.accounts (owner) INCLUDE (balance)"


def test_the_tree_names_the_index(project: Project) -> None:
    project.run(*TABLE)
    result = project.blocks("explain", "--analyze", QUERY)
    assert result.code == ExitCode.OK
    assert "Full Scan on accounts   rows: estimated 40, read 2,000, returned 40" in result.out
    assert f"  index: {INDEX}" in result.out
    found = json.loads(project.blocks("explain", QUERY, "--json").out)
    assert found["warnings"] == [
        {"kind": "full scan", "text": "all rows of accounts are read", "index": INDEX}
    ]
    assert found["dpu"] is None
    assert project.blocks("explain", QUERY, "--text").out.startswith("Seq Scan on public.accounts  (cost=")


def test_a_query_is_read_from_standard_input(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.run(*TABLE)
    monkeypatch.setattr(sys, "stdin", io.StringIO(QUERY + ";\n-- the end\n"))
    assert "Full Scan on accounts" in project.blocks("explain", "-").out


def test_an_analyzed_change_is_rolled_back(project: Project) -> None:
    project.run(*TABLE)
    result = project.blocks("explain", "--analyze", "DELETE FROM accounts WHERE balance > 5")
    assert "Delete on public.accounts" in result.out
    assert project.rows("SELECT count(*) FROM accounts") == [(2000,)]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT 1; DELETE FROM accounts", "2 statements"),
        ("", "0 statements"),
        ("SELEC 1", "the query was refused"),
        ("SELECT * FROM missing", "the query was refused"),
        ("SELECT * FROM accounts WHERE id = $1", "the query was refused"),
        ("DROP TABLE accounts", "the query was refused"),
    ],
)
def test_what_is_no_query_is_refused(project: Project, query: str, what: str) -> None:
    project.run(*TABLE)
    for analyze in ([], ["--analyze"]):
        result = project.blocks("explain", *analyze, query)
        assert result.code == ExitCode.USAGE
        assert f"error: {what}" in result.err
    assert project.rows("SELECT count(*) FROM accounts") == [(2000,)]


PROGRAM = """\
from blocks_runtime import DistributedDatabase, sql
with DistributedDatabase("main") as db:
    db.execute(sql("INSERT INTO accounts SELECT n, 'x', n FROM generate_series(5001, 5100) AS n"))
"""


def test_the_cost_of_a_program(project: Project) -> None:
    project.run(*TABLE)
    result = project.blocks("cost", "--json", "--price", "8", "--", sys.executable, "-c", PROGRAM)
    assert result.code == ExitCode.OK, result.err
    found = json.loads(result.out)
    assert (found["rowsWritten"], found["transactions"], found["bytesWritten"]) == (100, 1, 12_800)
    assert found["writeDpu"] == round(12_800 * 0.00004883, 8)
    assert found["usdHigh"] == pytest.approx(found["dpuHigh"] * 8e-6, abs=1e-9)


def test_a_budget_and_exit_codes(project: Project) -> None:
    project.run(*TABLE)
    above = project.blocks("cost", "--budget", "0.1", sys.executable, "-c", PROGRAM)
    assert above.code == ExitCode.MIGRATION_FAILED
    assert "error: more than the budget of 0.1 DPU" in above.err
    assert project.blocks("cost", sys.executable, "-c", "raise SystemExit(9)").code == 9
    missing = project.blocks("cost", "./no-such-program")
    assert missing.code == ExitCode.USAGE
    assert "cannot be run" in missing.err
