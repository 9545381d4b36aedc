"""Corrections of the journal: repair, baseline, and all kinds of drift."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from blocks_cli.exit_codes import ExitCode
from blocks_runtime.database.session import Session
from tests.blocks_cli.migrations.conftest import BANK

if TYPE_CHECKING:
    from blocks_runtime import Sql
    from blocks_runtime.database.cursor import Cursor
    from tests.blocks_cli.migrations.conftest import Project


@pytest.fixture
def applied(project: Project) -> Project:
    project.write(BANK)
    assert project.blocks("up").code == ExitCode.OK
    return project


def test_a_statement_in_doubt_stops_the_run_until_repair(applied: Project) -> None:
    """A run was killed after it sent a statement whose effect is not visible in the catalog."""
    applied.run("UPDATE accounts SET balance = 7")
    applied.write({"004_default": "ALTER TABLE accounts ALTER COLUMN owner SET DEFAULT 'none' || random();"})
    applied.run(
        "INSERT INTO _migrations SELECT 4, '004_default', 'x', 0, 'started', NULL, 0, now(), NULL, 'dead'"
    )
    up = applied.blocks("up")
    assert up.code == ExitCode.USAGE, "its checksum is not the one that was begun"
    assert "004_default.sql was changed after it was started" in up.err
    assert "blocks repair 004_default --applied` or `--pending`" in up.err
    assert "[!] 004_default   changed" in applied.blocks("status").out

    repaired = applied.blocks("repair", "004_default", "--pending")
    assert repaired.code == ExitCode.OK
    assert repaired.err.splitlines()[-1] == "repaired 004_default: was started, is pending"
    assert applied.blocks("up").err.splitlines()[-1] == "applied 1 migration; the newest is 004_default"


def test_a_changed_file_is_reported_with_both_hashes_and_accepted_by_repair(applied: Project) -> None:
    applied.write({"002_rows": BANK["002_rows"] + "\n-- reviewed"})
    up = applied.blocks("up")
    assert up.code == ExitCode.USAGE
    (why,) = (line for line in up.err.splitlines() if line.startswith("  why: "))
    assert len({word for word in why.split() if word.endswith("…")}) == 2
    assert "put 002_rows.sql back as it was and add a new migration with the change" in up.err
    status = applied.blocks("status", "--exit-code")
    assert status.code == ExitCode.PENDING
    assert "[!] 002_rows      changed" in status.out
    assert why.removeprefix("  why: ") in status.out
    listed = applied.blocks("repair")
    assert listed.code == ExitCode.OK
    assert listed.out.splitlines()[0].startswith("[!] 002_rows  changed")
    assert "blocks repair 002_rows with --applied or --pending" in listed.err
    assert len(listed.out.splitlines()) == 3, "the other migrations need no correction"
    assert "no migration" in applied.blocks("repair", "--applied").err

    assert applied.blocks("repair", "002_rows.sql", "--applied").code == ExitCode.OK
    assert applied.blocks("up").err.splitlines()[-1].startswith("applied no migrations")
    assert "nothing to repair" in applied.blocks("repair").err
    assert applied.rows("SELECT count(*) FROM accounts") == [(10,)]


def test_a_missing_file_is_reported_and_removed_from_the_journal_by_repair(applied: Project) -> None:
    (applied.migrations / "002_rows.sql").unlink()
    assert "002_rows.sql is applied, but is missing from the folder" in applied.blocks("up").err
    assert "[!] 002_rows      gone" in applied.blocks("status").out
    refused = applied.blocks("repair", "002_rows", "--applied")
    assert (refused.code, "is not in the folder" in refused.err) == (ExitCode.USAGE, True)
    forgotten = applied.blocks("repair", "002_rows", "--pending")
    assert forgotten.err.splitlines()[-1] == "repaired 002_rows: was applied, is removed"
    assert applied.blocks("status", "--exit-code").code == ExitCode.OK


def test_a_renamed_file_is_reported_and_repaired(applied: Project) -> None:
    """As after a merge of two branches with the same number."""
    (applied.migrations / "002_rows.sql").rename(applied.migrations / "004_rows.sql")
    up = applied.blocks("up")
    assert (up.code, "rename 004_rows.sql, which has the same text, back to 002_rows.sql" in up.err) == (
        ExitCode.USAGE,
        True,
    )
    for command in ("repair 002_rows --pending", "repair 004_rows --applied"):
        assert f"`blocks {command}`" in up.err
        assert applied.blocks(*command.split()).code == ExitCode.OK
    assert applied.blocks("status", "--exit-code").code == ExitCode.OK
    assert applied.blocks("up").err.splitlines()[-1].startswith("applied no migrations")
    assert applied.rows("SELECT count(*) FROM accounts") == [(10,)]


def test_an_out_of_order_file_is_reported(applied: Project) -> None:
    (applied.migrations / "002_rows.sql").rename(applied.migrations / "004_rows.sql")
    applied.run("DELETE FROM _migrations WHERE version = 2")
    applied.write({"002_late": "ALTER TABLE accounts ADD COLUMN late text;"})
    up = applied.blocks("up")
    assert (up.code, "give 002_late.sql a number above 3" in up.err) == (ExitCode.USAGE, True)
    assert "[!] 002_late      below" in applied.blocks("status").out


def test_drift_of_several_files_is_reported_together(applied: Project) -> None:
    applied.write({"001_accounts": BANK["001_accounts"] + "\n", "003_index": BANK["003_index"] + "\n"})
    up = applied.blocks("up")
    assert "error: 2 migrations do not match what the database has applied" in up.err
    assert up.err.count("add a new migration with the change") == 2


def test_repair_refuses_to_make_new_contradictions(applied: Project) -> None:
    refused = applied.blocks("repair", "001_accounts", "--pending")
    assert refused.code == ExitCode.USAGE
    assert "its number is below 003_index, which is applied" in refused.err
    applied.write({"004_a": "DROP INDEX accounts_owner;", "005_b": "DROP TABLE accounts;"})
    assert applied.blocks("repair", "005_b", "--applied").code == ExitCode.USAGE, "004 would be below it"
    assert len(applied.journal()) == 3


def test_the_newest_migration_may_be_run_again_after_repair(applied: Project) -> None:
    applied.run("DROP INDEX accounts_owner")
    assert applied.blocks("repair", "003_index", "--pending").code == ExitCode.OK
    assert applied.blocks("up").err.splitlines()[-1] == "applied 1 migration; the newest is 003_index"


def test_repair_of_an_applied_migration_changes_nothing(applied: Project) -> None:
    record = "SELECT * FROM _migrations ORDER BY version"
    before = applied.rows(record)
    done = applied.blocks("repair", "002_rows", "--applied")
    assert done.code == ExitCode.OK
    assert "unchanged 002_rows: already applied, with the current content of the file" in done.err
    assert applied.rows(record) == before


def test_baseline_of_an_existing_database(project: Project) -> None:
    project.run("CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance bigint NOT NULL)")
    project.write(BANK)
    assert 'relation "accounts" already exists' in project.blocks("up").err
    done = project.blocks("baseline", "--to", "2")
    assert (done.code, done.err.splitlines()[1]) == (ExitCode.OK, "recorded 2 migrations as applied")
    assert project.rows("SELECT count(*) FROM accounts") == [(0,)], "nothing was run"
    assert project.blocks("up").err.splitlines()[-1] == "applied 1 migration; the newest is 003_index"


def test_an_older_folder_reports_newer_migrations(applied: Project) -> None:
    (applied.migrations / "003_index.sql").unlink()
    status = applied.blocks("status", "--exit-code")
    assert (status.code, "[x] 003_index     ahead" in status.out) == (ExitCode.OK, True)
    assert (
        applied.blocks("plan").err.splitlines()[-1]
        == "note     applied, but missing in this folder: 003_index"
    )


def test_a_running_migrator_is_reported_and_an_ended_local_one_is_not_waited_for(
    applied: Project,
) -> None:
    import os
    import socket
    import subprocess

    applied.write({"004_a": "DROP INDEX accounts_owner;"})
    take = "UPDATE _migrations_lock SET holder = '{}', expires_at = now() + interval '1 hour'"
    applied.run(take.format("deploy 7"))
    up = applied.blocks("up", "--wait", "0")
    assert up.code == ExitCode.MIGRATION_FAILED
    assert "waiting  another migrator is running: deploy 7 since 20" in up.err
    assert "the lease is held by deploy 7 since 20" in up.err
    assert "a migrator is running: deploy 7 since" in applied.blocks("status").err

    name = "user@{} blocks[{}/00ff]"
    applied.run(take.format(name.format(socket.gethostname(), os.getpid())))
    assert applied.blocks("up", "--wait", "0").code == ExitCode.MIGRATION_FAILED, "that process lives"

    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    applied.run(take.format(name.format(socket.gethostname(), dead.pid)))
    assert applied.blocks("up", "--wait", "0").code == ExitCode.OK


@pytest.mark.parametrize("choice", ["--applied", "--pending"])
def test_a_statement_with_an_invisible_effect_stops_the_next_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    """Interrupted between the statement and its journal row; the effect is not visible in the catalog."""
    project.run("CREATE SEQUENCE numbers CACHE 1")
    project.write({"001_restart": "-- a new year\nALTER SEQUENCE numbers RESTART WITH 5000;"})
    original = Session.run

    def run(self: Session, statement: Sql, *rest: Any, **options: Any) -> Cursor:
        answer = original(self, statement, *rest, **options)
        if statement.text.startswith("ALTER SEQUENCE"):
            raise KeyboardInterrupt
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(Session, "run", run)
        assert project.blocks("up", "--dialect", "2026-09").code not in (ExitCode.OK, ExitCode.USAGE)
    assert project.journal() == [("001_restart", 0, "started")]

    stopped = project.blocks("up", "--dialect", "2026-09")
    assert stopped.code == ExitCode.MIGRATION_FAILED
    assert "001_restart.sql:2:1: it is unknown whether this statement took effect" in stopped.err
    assert "check the database, then run `blocks repair 001_restart --applied` or `--pending`" in stopped.err
    assert project.journal() == [("001_restart", 0, "started")]

    assert project.blocks("repair", "001_restart", choice, "--dialect", "2026-09").code == ExitCode.OK
    assert project.blocks("up", "--dialect", "2026-09").code == ExitCode.OK
    assert project.journal() == [("001_restart", 1, "applied")]
    assert project.rows("SELECT nextval('numbers')") == [(5000,)]


PARTLY = (
    "INSERT INTO accounts VALUES (11, 'new', 100);\n"
    "-- blocks: batch\n"
    "UPDATE accounts SET balance = 105 WHERE id IN (SELECT id FROM accounts WHERE balance = 100 LIMIT 4);\n"
)
REFUSED = "INSERT INTO accounts VALUES (12, 'next', 100);\nINSERT INTO accounts VALUES (1, 'twice', 100);\n"


def test_a_partly_completed_file_is_cut_down_and_continued_in_another_one(applied: Project) -> None:
    """The way that the error, the drift error and `blocks status` give repeats no statement."""
    way = (
        "if the file is wrong, leave only the first 2 statements, which are done, in 004_fill.sql, write the others, "
        "corrected, into a new file with a higher number, run `blocks repair 004_fill --applied`, and migrate again"
    )
    applied.write({"004_fill": PARTLY + REFUSED})
    up = applied.blocks("up")
    assert (up.code, "004_fill.sql:5:1: DSQL refused the statement" in up.err) == (
        ExitCode.MIGRATION_FAILED,
        True,
    )
    assert f"{way}; nothing of its transaction took effect, which has 2 statements" in up.err
    assert applied.journal()[-1] == ("004_fill", 2, "failed")
    status = applied.blocks("status").out
    assert "those before it are done: 2" in status
    assert way in status

    corrected = (
        "INSERT INTO accounts VALUES (12, 'next', 100);\nINSERT INTO accounts VALUES (13, 'once', 100);\n"
    )
    applied.write({"004_fill": PARTLY + corrected})
    changed = applied.blocks("up")
    assert (changed.code, way in changed.err) == (ExitCode.USAGE, True)

    applied.write({"004_fill": PARTLY, "005_rest": corrected})
    assert applied.blocks("repair", "004_fill", "--applied").code == ExitCode.OK
    assert applied.blocks("up").err.splitlines()[-1] == "applied 1 migration; the newest is 005_rest"
    assert applied.rows("SELECT balance, count(*) FROM accounts GROUP BY 1 ORDER BY 1") == [
        (100, 2),
        (105, 11),
    ]
    assert applied.blocks("status", "--exit-code").code == ExitCode.OK
    (row,) = applied.rows("SELECT statement, rows_changed FROM _migrations WHERE version = 4")
    assert row == (2, 12)


def test_a_partly_completed_file_is_continued_once_the_rows_are_corrected(applied: Project) -> None:
    applied.write({"004_fill": PARTLY + REFUSED})
    assert "correct the rows that contradict it and migrate again" in applied.blocks("up").err
    applied.run("DELETE FROM accounts WHERE id = 1")
    assert applied.blocks("up").err.splitlines()[-1] == "applied 1 migration; the newest is 004_fill"
    assert applied.rows("SELECT count(*) FROM accounts") == [(12,)]


BATCH = (
    "-- blocks: batch\nUPDATE accounts SET balance = {} "
    "WHERE id IN (SELECT id FROM accounts WHERE balance = 100 ORDER BY id LIMIT 4);\n"
)


def test_a_failed_batch_keeps_its_number_because_it_has_changed_rows(applied: Project) -> None:
    """Another file with its number is drift, and the batch itself continues after `--pending`."""
    applied.write({"004_fill": BATCH.format("100 / (10 - id) + 101")})
    up = applied.blocks("up")
    assert "division by zero" in up.err
    way = "if the file is wrong, correct it, run `blocks repair 004_fill --pending`"
    assert way in up.err
    assert applied.rows("SELECT statement, state, rows_changed FROM _migrations WHERE version = 4") == [
        (0, "failed", 8)
    ]
    status = applied.blocks("status").out
    assert "a run of its batch was refused; the runs before it changed 8 rows" in status
    assert way in status
    assert "4 are applied or begun, the newest is 004_fill" in applied.blocks("baseline").err

    (applied.migrations / "004_fill.sql").unlink()
    applied.write({"004_other": "INSERT INTO accounts VALUES (11, 'new', 7);"})
    other = applied.blocks("up")
    assert other.code == ExitCode.USAGE
    assert "error: 004_other.sql has the number of 004_fill, which has failed" in other.err
    assert "give 004_other.sql a number above 4, and put 004_fill.sql back" in other.err

    (applied.migrations / "004_other.sql").rename(applied.migrations / "005_other.sql")
    applied.write({"004_fill": BATCH.format(200)})
    changed = applied.blocks("up")
    assert (changed.code, way in changed.err) == (ExitCode.USAGE, True)
    assert applied.blocks("repair", "004_fill", "--pending").code == ExitCode.OK
    assert applied.blocks("up").err.splitlines()[-1] == "applied 2 migrations; the newest is 005_other"
    assert applied.rows("SELECT count(*) FROM accounts WHERE balance = 200") == [(2,)]
    assert applied.rows("SELECT rows_changed FROM _migrations WHERE version > 3 ORDER BY version") == [
        (2,),
        (1,),
    ]


def test_a_failed_batch_is_given_up_by_deleting_its_row(applied: Project) -> None:
    applied.write({"004_fill": BATCH.format("100 / (10 - id) + 101")})
    assert applied.blocks("up").code == ExitCode.MIGRATION_FAILED
    (applied.migrations / "004_fill.sql").unlink()
    applied.write({"004_other": "INSERT INTO accounts VALUES (11, 'new', 7);"})
    assert "delete it from the journal with `blocks repair 004_fill --pending`" in applied.blocks("up").err
    assert applied.blocks("repair", "004_fill", "--pending").code == ExitCode.OK
    assert applied.blocks("up").code == ExitCode.OK
    assert applied.journal()[-1] == ("004_other", 1, "applied")


def test_two_branches_with_the_same_number(applied: Project) -> None:
    """One of them was applied, and the folder has the other one."""
    (applied.migrations / "002_rows.sql").unlink()
    applied.write({"002_bob": "INSERT INTO accounts VALUES (11, 'Bob', 7);"})
    up = applied.blocks("up")
    assert up.code == ExitCode.USAGE
    assert "error: 002_bob.sql has the number of 002_rows, which was applied" in up.err
    assert "give 002_bob.sql a number above 3, and put 002_rows.sql back" in up.err
    assert "put 002_bob.sql back" not in up.err
    applied.write({"002_rows": BANK["002_rows"]})
    (applied.migrations / "002_bob.sql").rename(applied.migrations / "004_bob.sql")
    assert applied.blocks("up").err.splitlines()[-1] == "applied 1 migration; the newest is 004_bob"


def test_the_status_names_a_failed_file_that_another_one_has_replaced(applied: Project) -> None:
    applied.write({"004_bad": "INSERT INTO nowhere VALUES (1);"})
    assert applied.blocks("up").code == ExitCode.MIGRATION_FAILED
    (applied.migrations / "004_bad.sql").unlink()
    applied.write({"004_many": "INSERT INTO accounts VALUES (11, 'new', 7);"})
    status = applied.blocks("status")
    assert "[ ] 004_many      pending\n      why: 004_bad.sql failed with this number" in status.out
    assert status.err.splitlines()[-1] == "3 applied, 1 pending"
    (found,) = json.loads(applied.blocks("status", "--json").out)["migrations"][3:]
    assert (found["name"], found["state"], found["by"], found["checksum"]) == (
        "004_many",
        "pending",
        None,
        None,
    )
    assert "nothing to repair" in applied.blocks("repair").err
    assert applied.blocks("up").code == ExitCode.OK
