"""Pending steps from manifest and journal."""

from __future__ import annotations

from typing import cast

import pytest

from lambda_migrator.errors import MigrationFailedError
from lambda_migrator.journal import Entry, State
from lambda_migrator.plan import Action, plan
from migration_manifest import Manifest, Migration, Statement, StatementDirective, StatementKind


def statement(kind: StatementKind, *, batch: bool = False) -> Statement:
    directive = StatementDirective.BATCH if batch else None
    return Statement(f"-- {kind}", kind, 1, 1, directive, None, repeatable=False)


def migration(version: int, *kinds: str, checksum: str = "same") -> Migration:
    statements = tuple(
        statement(cast("StatementKind", kind.removesuffix("+batch")), batch="+batch" in kind)
        for kind in kinds
    )
    return Migration(version, f"{version:03}_m", checksum, statements)


def entry(
    version: int,
    state: State,
    done: int = 0,
    checksum: str = "same",
    job: str | None = None,
    *,
    name: str = "m",
    rows: int = 0,
) -> Entry:
    return Entry(version, f"{version:03}_{name}", checksum, done, state, job, rows=rows)


def applied(version: int, done: int = 1) -> Entry:
    return entry(version, State.APPLIED, done)


ONE, TWO, THREE = migration(1, "ddl"), migration(2, "dml", "dml", "dml+batch", "dml"), migration(3, "index")
ALL = Manifest("portable", (ONE, TWO, THREE))

STEPS: dict[str, tuple[list[Entry], list[tuple[int, int, int, Action, bool, str | None]]]] = {
    "from nothing": (
        [],
        [
            (1, 0, 0, Action.DDL, False, None),
            (2, 0, 1, Action.ROWS, False, None),
            (2, 2, 2, Action.BATCH, False, None),
            (2, 3, 3, Action.ROWS, False, None),
            (3, 0, 0, Action.INDEX, False, None),
        ],
    ),
    "all applied": ([applied(1), applied(2, 4), applied(3)], []),
    "killed after a DDL statement was sent": (
        [applied(1), applied(2, 4), entry(3, State.STARTED, job="j1")],
        [(3, 0, 0, Action.INDEX, True, "j1")],
    ),
    "killed between two steps of a file": (
        [applied(1), entry(2, State.PENDING, 2), applied(3)][:2],
        [
            (2, 2, 2, Action.BATCH, False, None),
            (2, 3, 3, Action.ROWS, False, None),
            (3, 0, 0, Action.INDEX, False, None),
        ],
    ),
    "corrected after it failed": (
        [applied(1), applied(2, 4), entry(3, State.FAILED, checksum="other")],
        [(3, 0, 0, Action.INDEX, False, None)],
    ),
}


@pytest.mark.parametrize(("journal", "expected"), STEPS.values(), ids=STEPS)
def test_steps(journal: list[Entry], expected: list[tuple[int, int, int, Action, bool, str | None]]) -> None:
    steps = plan(ALL, journal).steps
    assert [(s.migration.version, s.first, s.last, s.action, s.started, s.job) for s in steps] == expected


def test_the_last_step_completes_its_migration() -> None:
    assert [step.completes for step in plan(ALL, []).steps] == [True, False, False, True, True]


def test_rolled_back_deploy_leaves_the_database_ahead() -> None:
    older = Manifest("portable", (ONE,))
    todo = plan(older, [applied(1), applied(2, 4), applied(3)])
    assert (todo.steps, todo.ahead) == ((), ("002_m", "003_m"))


def test_a_failed_batch_that_changed_rows_leaves_the_database_ahead() -> None:
    changed, unchanged = entry(2, State.FAILED, rows=2), entry(3, State.FAILED)
    assert plan(Manifest("portable", (ONE,)), [applied(1), changed, unchanged]).ahead == ("002_m",)


DRIFT: dict[str, tuple[list[Entry], str, str]] = {
    "changed after applying": ([entry(1, State.APPLIED, 1, "old")], "was old", "new migration"),
    "changed while open": ([entry(1, State.STARTED, 0, "old")], "is now same", "blocks repair 001_m"),
    "changed after a half": ([applied(1), entry(2, State.FAILED, 2, "old")], "now", "put 002_m.sql back"),
    "changed after a half, and the file is wrong": (
        [applied(1), entry(2, State.FAILED, 2, "old")],
        "now",
        "leave only the first 2 statements, which are done, in 002_m.sql, write the others, corrected, into a new file "
        "with a higher number, run `blocks repair 002_m --applied`, and migrate again",
    ),
    "changed after runs of a batch": (
        [applied(1), applied(2, 4), entry(3, State.FAILED, 0, "old", rows=2)],
        "now",
        "if the file is wrong, correct it, run `blocks repair 003_m --pending`",
    ),
    "another one was applied": (
        [applied(1), entry(2, State.APPLIED, 1, "old", name="ana")],
        "the checksum of 002_ana.sql was old",
        "give 002_m.sql a number above 3, and put 002_ana.sql back",
    ),
    "another one changed rows": (
        [applied(1), applied(2, 4), entry(3, State.FAILED, 0, "old", name="fill", rows=2)],
        "the checksum of 003_fill.sql was old",
        "delete it from the journal with `blocks repair 003_fill --pending`",
    ),
    "new below applied": ([applied(1), applied(3)], "before it in a new database", "number above 3"),
    "new below applied, failed before": (
        [applied(1), entry(2, State.FAILED), applied(3)], "before it in a new database", "number above 3"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("journal", "why", "remedy"), DRIFT.values(), ids=DRIFT)
def test_drift_is_refused(journal: list[Entry], why: str, remedy: str) -> None:
    with pytest.raises(MigrationFailedError) as caught:
        plan(ALL, journal)
    assert why in caught.value.why
    assert remedy in caught.value.remedy


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(
        MigrationFailedError, match=r"002_m\.sql is applied, but is missing from the folder"
    ) as caught:
        plan(Manifest("portable", (ONE, THREE)), [applied(1), applied(2, 4), applied(3)])
    assert "put 002_m.sql back" in caught.value.remedy


def test_all_contradictions_are_reported_at_once() -> None:
    with pytest.raises(MigrationFailedError, match="2 migrations do not match") as caught:
        plan(ALL, [entry(1, State.APPLIED, 1, "old"), applied(3)])
    assert "001_m.sql was changed" in str(caught.value)
    assert "002_m.sql is new" in str(caught.value)


def test_rendered_as_text() -> None:
    assert (
        plan(ALL, [applied(1), applied(2, 4), entry(3, State.STARTED)]).render()
        == "003_m.sql:1:1  index (resumed)  -- index"
    )
    assert plan(ALL, [applied(1), applied(2, 4), applied(3)]).render() == "nothing to do"
