"""Whole runs against the local cluster: their effects, and their errors."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from custom_resource.deadline import OutOfTime
from lambda_migrator.errors import MigrationFailedError

if TYPE_CHECKING:
    from tests.lambda_migrator.conftest import Deployment

BANK = {
    "001_accounts": "CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance bigint NOT NULL);",
    "002_rows": "INSERT INTO accounts SELECT n, 'owner ' || n, 100 FROM generate_series(1, 1000) AS n;",
    "003_index": "CREATE INDEX ASYNC accounts_owner ON accounts (owner);",
    "004_more": "-- blocks: batch\nUPDATE accounts SET balance = 200 WHERE id IN\n"
    "  (SELECT id FROM accounts WHERE balance = 100 LIMIT 400);\n",
}


def test_applies_everything_once(deployment: Deployment) -> None:
    deployment.write(BANK)
    first = deployment.migrate()
    assert (first.applied, first.newest) == (tuple(BANK), "004_more")
    assert deployment.journal() == [
        ("001_accounts", 1, "applied", 0),
        ("002_rows", 1, "applied", 1000),
        ("003_index", 1, "applied", 0),
        ("004_more", 1, "applied", 1000),
    ]
    assert deployment.rows("SELECT count(*), sum(balance) FROM accounts") == [(1000, 200_000)]
    assert deployment.rows(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'accounts_owner'::regclass"
    ) == [(True,)]

    second = deployment.migrate(holder="again")
    assert (second.applied, second.newest) == ((), "004_more")

    deployment.write({"005_note": "ALTER TABLE accounts ADD COLUMN note text;"})
    third = deployment.migrate(holder="third")
    assert (third.applied, third.newest) == (("005_note",), "005_note")


def test_nothing_to_migrate(deployment: Deployment) -> None:
    deployment.write({"001_t": "CREATE TABLE t (id int PRIMARY KEY);"})
    deployment.migrate()
    assert deployment.migrate(holder="again").applied == ()


# What is wrong with a file that finds `t` with the rows 1 and 2.
REFUSED = {
    "duplicate key": ("INSERT INTO t VALUES (3, 1);\nINSERT INTO t VALUES (1, 1);", "002_x.sql:2:1", "23505"),
    "unknown column": ("\n\n  UPDATE t SET nowhere = 1;", "002_x.sql:3:16", "42703"),
    "table is there already": ("CREATE TABLE t (id int);", "002_x.sql:1:1", "42P07"),
    "too many rows": ("INSERT INTO t SELECT n FROM generate_series(10, 4000) n;", "002_x.sql:1:1", "54000"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "sqlstate"), REFUSED.values(), ids=REFUSED)
def test_a_refused_file_may_be_corrected(
    deployment: Deployment, text: str, place: str, sqlstate: str
) -> None:
    deployment.write({"001_t": "CREATE TABLE t (id int PRIMARY KEY, n int);"})
    deployment.migrate()
    deployment.run("INSERT INTO t VALUES (1, 1), (2, 1)")
    deployment.write({"002_x": text, "003_y": "CREATE TABLE after (id int);"})
    with pytest.raises(MigrationFailedError) as caught:
        deployment.migrate()
    assert place in caught.value.what
    assert sqlstate in caught.value.why
    assert deployment.rows("SELECT count(*) FROM t") == [(2,)]
    assert deployment.journal()[1:] == [("002_x", 0, "failed", 0)]

    deployment.write({"002_x": "INSERT INTO t VALUES (7, 7);"})
    assert deployment.migrate(holder="corrected").applied == ("002_x", "003_y")
    assert deployment.rows("SELECT count(*) FROM t") == [(3,)]


def test_batches_as_large_as_a_transaction_allows(deployment: Deployment) -> None:
    """One row of the limit is the journal's; more rows are refused, and earlier batches stay."""
    fill = (
        "-- blocks: batch\nINSERT INTO t SELECT n FROM generate_series(1, 7000) AS n "
        "WHERE NOT EXISTS (SELECT 1 FROM t WHERE id = n) LIMIT {limit};"
    )
    deployment.write({"001_t": "CREATE TABLE t (id int PRIMARY KEY);", "002_fill": fill.format(limit=3000)})
    with pytest.raises(MigrationFailedError) as refused:
        deployment.migrate()
    assert "002_fill.sql:2:1" in refused.value.what
    assert "transaction row limit exceeded" in refused.value.why
    assert "one of the 3,000 rows is the journal's" in refused.value.remedy
    deployment.write({"002_fill": fill.format(limit=2999)})
    assert deployment.migrate(holder="corrected").applied == ("002_fill",)
    assert deployment.journal()[1] == ("002_fill", 1, "applied", 7000)
    assert deployment.rows("SELECT count(*) FROM t") == [(7000,)]


def test_a_refused_batch_says_that_the_runs_before_it_stay(deployment: Deployment) -> None:
    deployment.write(
        {
            "001_t": "CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n < 3));",
            "002_rows": "INSERT INTO t VALUES (1, 0);",
            "003_more": "-- blocks: batch\nUPDATE t SET n = n + 1 WHERE id = 1;",
        }
    )
    with pytest.raises(MigrationFailedError) as refused:
        deployment.migrate()
    assert deployment.rows("SELECT n FROM t") == [(2,)]
    assert refused.value.remedy == (
        "correct the rows that contradict it and migrate again; if the file is wrong, correct it, run `blocks repair "
        "003_more --pending`, by which the batch is repeated for the other rows, and migrate again; this run had no "
        "effect, and every run before it stays committed"
    )


def test_a_refused_statement_says_which_others_are_undone(deployment: Deployment) -> None:
    rows = "INSERT INTO t VALUES (1, 1);\n\nINSERT INTO t VALUES (2, 1);\nINSERT INTO t VALUES (1, 1);"
    deployment.write({"001_t": "CREATE TABLE t (id int PRIMARY KEY, n int);", "002_rows": rows})
    with pytest.raises(MigrationFailedError, match=r"002_rows\.sql:4:1") as refused:
        deployment.migrate()
    assert refused.value.remedy == (
        "correct the file and migrate again; nothing of its transaction took effect, which has 3 statements from "
        "002_rows.sql:1:1 on"
    )
    assert deployment.rows("SELECT count(*) FROM t") == [(0,)]


def test_a_unique_index_over_duplicates_is_dropped(deployment: Deployment) -> None:
    deployment.write(
        {
            "001_t": "CREATE TABLE t (id int PRIMARY KEY, n int);",
            "002_rows": "INSERT INTO t VALUES (1, 5), (2, 5);",
        }
    )
    deployment.write({"003_unique": "CREATE UNIQUE INDEX ASYNC t_n ON t (n);"})
    with pytest.raises(MigrationFailedError) as caught:
        deployment.migrate()
    assert "003_unique.sql:1:1" in caught.value.what
    assert "duplicate" in caught.value.why
    assert deployment.rows("SELECT 1 FROM pg_class WHERE relname = 't_n'") == []

    deployment.run("UPDATE t SET n = 6 WHERE id = 2")
    assert deployment.migrate(holder="cleaned").applied == ("003_unique",)


def test_an_applied_file_must_not_change(deployment: Deployment) -> None:
    deployment.write(BANK)
    deployment.migrate()
    deployment.write({"001_accounts": BANK["001_accounts"] + "\n"})
    with pytest.raises(
        MigrationFailedError, match=r"001_accounts\.sql was changed after it was applied"
    ) as caught:
        deployment.migrate()
    assert "add a new migration" in caught.value.remedy


def test_the_error_names_the_other_databases_of_a_cluster(deployment: Deployment) -> None:
    """Two apps on one cluster: the second one's file was never changed, and the journal is of the first."""
    deployment.write(BANK)
    deployment.migrate()
    stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/{}/1"
    states = {"Prod": ("prod", "live"), "Gone": ("gone", "gone"), "Shop": ("main", "live")}
    for name, (database, state) in states.items():
        deployment.run(
            "INSERT INTO public._grants (id, database_name, grants, state, revoked, stack, owner, request, seen, "
            f"changed_at) VALUES ('{database}/x/y', '{database}', '[]', '{state}', false, '{stack.format(name)}', "
            "'x', 'r', 0, now())"
        )
    deployment.write({"001_accounts": "CREATE TABLE of_another_app (id INT PRIMARY KEY);"})
    with pytest.raises(MigrationFailedError, match="also serves") as caught:
        deployment.migrate()
    assert caught.value.why.endswith(
        "; the cluster has one journal, and also serves database `prod` of stack Prod"
    )
    assert "give each app a cluster of its own" in caught.value.remedy


def test_an_older_manifest_leaves_the_database_ahead(deployment: Deployment) -> None:
    deployment.write(BANK)
    deployment.migrate()
    (deployment.folder / "004_more.sql").unlink()
    outcome = deployment.migrate(holder="rollback")
    assert (outcome.applied, outcome.ahead) == ((), ("004_more",))


def test_two_migrators_at_once_apply_everything_once(deployment: Deployment) -> None:
    deployment.write(BANK)
    outcomes: dict[str, tuple[str, ...]] = {}

    def deploy(holder: str) -> None:
        outcomes[holder] = deployment.migrate(holder=holder).applied

    threads = [threading.Thread(target=deploy, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == [(), tuple(BANK)]
    assert [row[2] for row in deployment.journal()] == ["applied"] * 4
    assert deployment.rows("SELECT count(*), sum(balance) FROM accounts") == [(1000, 200_000)]


def test_a_held_lease_makes_another_migrator_wait(deployment: Deployment) -> None:
    deployment.write(BANK)
    deployment.migrate()
    deployment.run("UPDATE _migrations_lock SET holder = 'another', expires_at = now() + interval '1 hour'")
    with pytest.raises(OutOfTime):
        deployment.migrate(holder="late", seconds=1.0)
    deployment.run("UPDATE _migrations_lock SET expires_at = now()")
    assert deployment.migrate(holder="late").newest == "004_more"
