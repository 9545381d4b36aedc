"""Journal updates of a run: one transaction between two DDL statements."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from blocks_runtime import sql
from lambda_migrator import journal
from lambda_migrator.errors import MigrationFailedError
from lambda_migrator.execute import execute
from lambda_migrator.journal import Journal, JournalUpdate, StaleJournalRow, State
from lambda_migrator.lease import acquire
from lambda_migrator.migrate import holding_lease
from lambda_migrator.plan import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blocks_runtime import Sql
    from lambda_migrator.plan import Step
    from migration_manifest import Migration
    from tests.lambda_migrator.conftest import Deployment

TABLES = {f"{number:03}_t{number}": f"CREATE TABLE t{number} (id int PRIMARY KEY);" for number in range(1, 5)}
APPLIED = [(name, 1, "applied", 0) for name in TABLES]


class Told:
    """Counts the statements that note progress, and keeps the moves of each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moves: list[list[tuple[str, str]]] = []
        original = journal.advance_statement

        def advance_statement(token: int, moves: Sequence[tuple[Migration, JournalUpdate]], by: str) -> Sql:
            self.moves.append([(migration.name, move.state.value) for migration, move in moves])
            return original(token, moves, by)

        monkeypatch.setattr(journal, "advance_statement", advance_statement)


def test_one_journal_statement_between_two_ddl_statements(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch)
    deployment.write(TABLES)
    deployment.migrate()
    names = list(TABLES)
    assert told.moves == [
        [(names[0], "started")],
        *([(done, "applied"), (next_, "started")] for done, next_ in pairwise(names)),
        [(names[-1], "applied")],
    ]
    assert deployment.journal() == APPLIED


def test_the_deferred_update_does_not_count_as_rows_of_the_migration(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch)
    deployment.write({**TABLES, "005_rows": "INSERT INTO t1 SELECT n FROM generate_series(1, 2999) AS n;"})
    deployment.migrate()
    assert told.moves[-1] == [("004_t4", "applied")]
    assert deployment.journal() == [*APPLIED, ("005_rows", 1, "applied", 2999)]


def test_a_cluster_that_refuses_the_single_statement(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster of before 2026-08-24 may answer 0A000 to FOR UPDATE of a join."""
    asked: list[object] = []

    def refused(*arguments: object) -> Sql:
        asked.append(arguments)
        return sql("TRUNCATE public._migrations")

    monkeypatch.setattr(journal, "advance_statement", refused)
    deployment.write(TABLES)
    deployment.migrate()
    assert len(asked) == 1
    assert deployment.journal() == APPLIED


def test_a_completed_step_is_recorded_when_the_next_one_is_refused(deployment: Deployment) -> None:
    deployment.write({**TABLES, "005_again": "CREATE TABLE t1 (id int PRIMARY KEY);"})
    with pytest.raises(MigrationFailedError, match=r"005_again\.sql:1:1: DSQL refused the statement"):
        deployment.migrate()
    assert deployment.journal() == [*APPLIED, ("005_again", 0, "failed", 0)]


def test_a_step_is_reported_after_it_is_recorded(deployment: Deployment) -> None:
    """And in the order of the steps."""
    reported: list[tuple[str, bool]] = []
    deployment.write(TABLES)

    def report(step: Step, seconds: float) -> None:
        (state,) = deployment.rows(f"SELECT state FROM _migrations WHERE name = '{step.migration.name}'")
        reported.append((step.migration.name, state == ("applied",)))

    with deployment.admin().open() as admin, holding_lease(admin, "test") as lease:
        execute(plan(deployment.manifest(), ()), admin, Journal(lease, "test"), report)
    assert reported == [(name, True) for name in TABLES]


@pytest.mark.parametrize("single_statement", [True, False])
def test_a_migrator_without_the_lease_records_nothing(deployment: Deployment, single_statement: bool) -> None:
    deployment.write(TABLES)
    deployment.migrate()
    migration = deployment.manifest().migrations[0]
    with deployment.admin().open() as one, deployment.admin().open() as two:
        lost = acquire(one, "one")
        deployment.run("UPDATE _migrations_lock SET expires_at = now()", "DELETE FROM _migrations")
        acquire(two, "two")
        told = Journal(lost, "one", single_statement=single_statement)
        with pytest.raises(MigrationFailedError, match="another migrator has taken the lease"):
            told.advance(one, [(migration, JournalUpdate(0, 1, State.APPLIED))])
    assert deployment.journal() == []


@pytest.mark.parametrize("single_statement", [True, False])
def test_a_changed_row_is_not_overwritten(deployment: Deployment, single_statement: bool) -> None:
    deployment.write(TABLES)
    deployment.migrate()
    migration = deployment.manifest().migrations[0]
    with deployment.admin().open() as admin, holding_lease(admin, "test") as lease:
        told = Journal(lease, "test", single_statement=single_statement)
        with pytest.raises(StaleJournalRow):
            told.advance(admin, [(migration, JournalUpdate(0, 0, State.STARTED))])
    assert deployment.journal() == APPLIED
