"""Interrupted runs end like uninterrupted ones, wherever they were interrupted.

A run is killed, or loses its connection, before or after one of the statements that it sends; a killed one is
started again. Schema, data, journal and grants must be those of a run that nobody disturbed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime.contract import Access, database_role
from blocks_runtime.errors import ConnectionFailed
from blocks_runtime.session import Session
from lambda_migrator.grants import Grant
from lambda_migrator.problem import MigrationProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blocks_runtime import Sql
    from blocks_runtime.primitives import Cursor
    from tests.lambda_migrator.conftest import Deployment

FILES = {
    "001_table": "CREATE TABLE t (id int PRIMARY KEY, n int, label text);",
    "002_rows": "INSERT INTO t SELECT n, 0 FROM generate_series(1, 50) AS n;\nUPDATE t SET n = n + 1;",
    "003_index": "CREATE INDEX ASYNC t_n ON t (n);",
    "004_batch": "-- blocks: batch\n"
    "UPDATE t SET label = 'x' WHERE id IN (SELECT id FROM t WHERE label IS NULL LIMIT 20);\n"
    "INSERT INTO t VALUES (99, 99, 'last');",
    "005_column": "ALTER TABLE t ADD COLUMN extra text;",
    "006_comment": "COMMENT ON TABLE t IS 'things';",
    "007_rename": "ALTER TABLE t RENAME COLUMN label TO name;",
    "008_drop": "DROP INDEX t_n;",
}
GRANT = Grant(database_role("main", Access.READ_ONLY), Access.READ_ONLY, "arn:aws:iam::123456789012:role/app")

STATEMENTS = 160
"""More than a run sends, however often it has to ask for the index; a fault after the last one does nothing."""


class Killed(BaseException):
    """The process is no more."""


@contextmanager
def fault(at: int, *, after: bool, kill: bool) -> Iterator[list[int]]:
    """Interrupt the statement number `at` (from 1), before it is sent or after it was answered."""
    count = [0]
    original = Session.run

    def run(self: Session, statement: Sql, *rest: Any, **options: Any) -> Cursor:
        count[0] += 1
        if count[0] != at:
            return original(self, statement, *rest, **options)
        if after:
            original(self, statement, *rest, **options)
        self.abort()
        self.close()
        raise Killed if kill else ConnectionFailed("torn by the test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "run", run)
        yield count


def state(deployment: Deployment) -> list[object]:
    """Return everything that a run leaves behind, but for times."""
    return [
        deployment.journal(),
        deployment.rows("SELECT id, n, name, extra FROM t ORDER BY id"),
        deployment.rows(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'public' AND a.attnum > 0 "
            "ORDER BY c.relname, a.attnum"
        ),
        deployment.rows("SELECT obj_description('t'::regclass)"),
        deployment.rows("SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings"),
        deployment.rows(f"SELECT has_table_privilege('{GRANT.role}', 't', 'SELECT')"),
    ]


def undisturbed() -> list[object]:
    """Return the state that the files describe."""
    done = [("applied", 0)] * 8
    done[1], done[3] = ("applied", 100), ("applied", 51)
    journal = [
        (name, 2 if name in ("002_rows", "004_batch") else 1, state, rows)
        for name, (state, rows) in zip(FILES, done, strict=True)
    ]
    return [journal, [*((n, 1, "x", None) for n in range(1, 51)), (99, 99, "last", None)]]


@pytest.fixture
def prepared(deployment: Deployment) -> Deployment:
    deployment.write(FILES)
    return deployment


def test_undisturbed(prepared: Deployment) -> None:
    with fault(0, after=False, kill=False) as count:
        prepared.migrate([GRANT])
    assert count[0] <= STATEMENTS
    seen = state(prepared)
    assert seen[:2] == undisturbed()
    assert seen[3:] == [[("things",)], [(GRANT.role, GRANT.arn)], [(True,)]]


def interrupt(deployment: Deployment, at: int, *, after: bool, kill: bool) -> list[object]:
    """Return what is left of a run that was interrupted once and, if it was killed, started again."""
    with fault(at, after=after, kill=kill):
        try:
            deployment.migrate([GRANT])
        except Killed:
            assert kill
    if kill:
        deployment.migrate([GRANT])
    return state(deployment)


HOW = [
    pytest.param(after, kill, id=f"{'killed' if kill else 'torn'} {'after' if after else 'before'}")
    for after in (False, True)
    for kill in (False, True)
]


@pytest.mark.parametrize("at", range(5, STATEMENTS, 23))
@pytest.mark.parametrize(("after", "kill"), HOW)
def test_some_points(prepared: Deployment, at: int, after: bool, kill: bool) -> None:
    assert interrupt(prepared, at, after=after, kill=kill)[:2] == undisturbed()


@pytest.mark.slow
@pytest.mark.parametrize(("after", "kill"), HOW)
def test_every_point(prepared: Deployment, after: bool, kill: bool) -> None:
    prepared.migrate([GRANT])
    expected = state(prepared)
    assert expected[:2] == undisturbed()
    for at in range(1, STATEMENTS + 1):
        prepared.cluster.reset()
        assert interrupt(prepared, at, after=after, kill=kill) == expected, f"statement {at}"


def test_what_somebody_else_made_is_not_taken_for_the_effect(deployment: Deployment) -> None:
    """A table of the same name was there before; no killed run must make the next one believe in it."""
    deployment.run("CREATE TABLE t (by_hand int)")
    deployment.write({"001_table": FILES["001_table"]})
    for at in range(1, 40):
        with fault(at, after=False, kill=True):
            try:
                deployment.migrate()
            except (Killed, MigrationProblem):
                continue
        pytest.fail(f"killed at statement {at}, then reported success")
    with pytest.raises(MigrationProblem, match="SQLSTATE 42P07"):
        deployment.migrate()
