"""The package loads the parser's library and no other package."""

from __future__ import annotations

import json
import subprocess
import sys

from dsql_dialect import parse, profile

HEAVY = (
    "google",
    "postgast",
    "psycopg",
    "asyncio",
    "aws_cdk",
    "boto3",
    "blocks",
    "local_dsql",
    "lambda_migrator",
)


def test_imports_only_what_it_needs() -> None:
    code = "import json, sys, dsql_dialect.migrations; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert not modules & set(HEAVY)


def test_a_statement_seen_before_is_not_read_again() -> None:
    sql = "SELECT * FROM accounts WHERE id = $1 -- seen before"
    assert parse(sql, profile()) is parse(sql, profile())
    assert parse(sql, profile()) is not parse(sql, profile("2026-09"))


def test_bulk_text_is_not_kept() -> None:
    sql = "INSERT INTO a VALUES " + ", ".join(f"({n}, 'name of {n}')" for n in range(3000))
    first = parse(sql, profile())
    assert first is not parse(sql, profile())
    assert first.statements[0].inserts
