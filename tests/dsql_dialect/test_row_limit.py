"""INSERT statements of more rows than a transaction may change: those that fail on every database are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsql_dialect import parse, profile
from dsql_dialect.limits import ROWS_PER_TRANSACTION
from dsql_dialect.migrations import check_files, compile_folder, row_limit
from dsql_dialect.migrations.files import SqlFile
from dsql_dialect.migrations.rules import ROWS_PER_MIGRATION, TOO_MANY_ROWS
from lambda_migrator.plan import Action, plan
from migration_manifest import Manifest
from tests.dsql_dialect.migration_faults import faults

MOST = ROWS_PER_MIGRATION
BATCH = "-- blocks: batch\n"


def rows(number: int, begin: str = "INSERT INTO a (v)", end: str = "") -> str:
    return f"{begin} VALUES {', '.join(['(1)'] * number)}{end};\n"


REFUSED = {
    "one statement": (rows(MOST + 1), 1),
    "two statements": (rows(MOST) + rows(1), 2),
    "the second of three": (rows(10) + rows(MOST) + rows(10), 2),
    "statements of one row": (rows(1) * (MOST + 1), MOST + 1),
    "rows of default values": (rows(MOST) + "INSERT INTO a DEFAULT VALUES;", 2),
    "other tables": (rows(MOST) + rows(1, "INSERT INTO b"), 2),
    "beside an UPDATE": (rows(MOST) + "UPDATE a SET v = 2;\n" + rows(1), 3),
    "that updates instead": (rows(MOST + 1, end=" ON CONFLICT (v) DO UPDATE SET v = 2"), 1),
    "that returns": (rows(MOST + 1, end=" RETURNING v"), 1),
    "before a batch": (rows(MOST + 1) + BATCH + "DELETE FROM a WHERE v = 1;", 1),
}
ACCEPTED = {
    "as many as a transaction takes": rows(MOST),
    "that may change none": rows(MOST + 1, end=" ON CONFLICT DO NOTHING"),
    "that may update none": rows(MOST + 1, end=" ON CONFLICT (v) DO UPDATE SET v = 2 WHERE a.v = 3"),
    "with a limit": "INSERT INTO a (v) SELECT * FROM ("
    + rows(MOST + 1, "").strip(";\n")
    + ") AS t (v) LIMIT 5;",
    "with a limit of its own": rows(MOST + 1, end=" LIMIT 5"),
    "that a query filters": "INSERT INTO a SELECT v FROM ("
    + rows(MOST + 1, "").strip(";\n")
    + ") AS t (v) WHERE v > 9;",
    "with a batch between": rows(MOST) + BATCH + "DELETE FROM a WHERE v = 1;\n" + rows(MOST),
    "rows of a function": f"INSERT INTO a SELECT generate_series(1, {MOST + 1});",
    "an UPDATE of a list": f"UPDATE a SET v = 2 WHERE v IN ({', '.join(['1'] * (MOST + 1))});",
}


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED)
def test_a_migration_that_always_fails_is_refused(tmp_path: Path, text: str, line: int) -> None:
    found = [each for each in faults(tmp_path, {"001_a.sql": text}) if each.rule is TOO_MANY_ROWS]
    assert [(each.line, each.sqlstate) for each in found] == [(line, "54000")]


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_a_migration_that_may_succeed_is_accepted(tmp_path: Path, text: str) -> None:
    assert not faults(tmp_path, {"001_a.sql": text})


def test_each_file_has_transactions_of_its_own(tmp_path: Path) -> None:
    assert not faults(tmp_path, {"001_a.sql": rows(MOST), "002_b.sql": rows(MOST)})


FULL = ROWS_PER_TRANSACTION
OF_CLIENTS: dict[str, tuple[str, list[int]]] = {
    "a full statement": (rows(FULL), []),
    "one more": (rows(FULL + 1), [1]),
    "transactions of their own": (rows(FULL) + rows(FULL), []),
    "a block": (f"BEGIN;\n{rows(FULL)}{rows(1)}COMMIT;\n{rows(FULL)}", [3]),
    "two blocks": (f"BEGIN;\n{rows(FULL)}COMMIT;\nBEGIN;\n{rows(FULL)}COMMIT;", []),
    "a block without end": (f"BEGIN;\n{rows(FULL)}{rows(1)}", [3]),
    "a statement after a block": (f"BEGIN;\n{rows(FULL)}ROLLBACK;\n{rows(1)}", []),
}


@pytest.mark.parametrize(("text", "lines"), OF_CLIENTS.values(), ids=OF_CLIENTS)
def test_files_that_a_client_sends(text: str, lines: list[int]) -> None:
    found = check_files([SqlFile(Path("a.sql"), text)], profile("2026-09"))
    assert [each.line for each in found if each.rule is TOO_MANY_ROWS] == lines


PARTS = {"i": "INSERT INTO a VALUES (1);\n", "b": f"{BATCH}DELETE FROM a WHERE v = 1;\n"}


@pytest.mark.parametrize("shape", ["i", "ii", "b", "ib", "bi", "iibii", "bbi", "ibib"])
def test_the_transactions_are_those_of_the_migrator(tmp_path: Path, shape: str) -> None:
    text = "".join(PARTS[each] for each in shape)
    (tmp_path / "001_a.sql").write_text(text)
    manifest = Manifest.of(compile_folder(tmp_path, profile("2026-09")).document())
    steps = [[each.sql for each in step.statements] for step in plan(manifest, ()).steps]
    assert {step.action for step in plan(manifest, ()).steps} <= {Action.ROWS, Action.BATCH}
    statements = parse(text, profile("2026-09")).statements
    batches = [each for each, letter in zip(statements, shape, strict=True) if letter == "b"]
    mine = [[each.text for each in one] for one in row_limit.of_migration(statements, batches) if one]
    assert mine == steps
