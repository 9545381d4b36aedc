"""The commands on migrations: output, streams, and exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import COMMANDS, cli
from blocks_cli.migrations.folder import find_folder
from dsql_dialect.profiles import RECORDED, as_setting
from tests.blocks_cli.migrations.conftest import BANK

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from tests.blocks_cli.migrations.conftest import Project

ROOT = Path(__file__).parents[3]
TARGET = "target   local   .blocks/local/main"


def test_a_project_over_its_first_migrations(project: Project) -> None:
    made = project.blocks("new", "Create accounts")
    assert (made.code, made.out) == (ExitCode.OK, "")
    assert made.err.splitlines() == [
        "target   local   migrations",
        "created  migrations/001_create_accounts.sql",
    ]
    assert project.blocks("lint").code == ExitCode.USAGE, "the new file has no statement yet"
    (project.migrations / "001_create_accounts.sql").unlink()
    project.write(BANK)

    status = project.blocks("status", "--exit-code")
    assert (status.code, status.err.splitlines()) == (ExitCode.PENDING, [TARGET, "3 pending"])
    assert status.out.splitlines() == [
        "[ ] 001_accounts  pending",
        "[ ] 002_rows      pending",
        "[ ] 003_index     pending",
    ]

    plan = project.blocks("plan")
    assert (plan.code, plan.err) == (ExitCode.OK, f"{TARGET}\n")
    assert plan.out.splitlines()[2] == (
        "003_index.sql:1:1     index  CREATE INDEX ASYNC accounts_owner ON accounts (owner)"
    )
    assert project.blocks("up", "--dry-run").out == plan.out
    assert project.blocks("status").out == status.out, "nothing was changed so far"

    up = project.blocks("up", "--to", "2")
    assert (up.code, up.out) == (ExitCode.OK, "")
    assert [re.sub(r"\d+ ms", "N ms", line) for line in up.err.splitlines()] == [
        TARGET,
        "applied  001_accounts.sql   1 statement   N ms",
        "applied  002_rows.sql   1 statement   N ms",
        "applied 2 migrations; the newest is 002_rows",
    ]
    assert project.blocks("up").err.splitlines()[-1] == "applied 1 migration; the newest is 003_index"
    assert project.blocks("up").err.splitlines()[-1] == "applied no migrations; the newest is 003_index"
    assert project.blocks("plan", "--exit-code").out == "nothing to do\n"

    status = project.blocks("status", "--exit-code")
    assert (status.code, status.err.splitlines()[-1]) == (ExitCode.OK, "3 applied")
    when, who = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", r"\S+@\S+ blocks\[\d+/\w+\]"
    assert re.match(rf"\[x\] 001_accounts  applied   {when}  {who}\n", status.out)
    assert project.rows("SELECT count(*), sum(balance) FROM accounts") == [(10, 1000)]


JSON: dict[str, tuple[list[str], ExitCode]] = {
    "plan": (["plan", "--exit-code"], ExitCode.PENDING),
    "up --dry-run": (["up", "--dry-run"], ExitCode.OK),
    "up": (["up"], ExitCode.OK),
    "status, nothing applied": (["status", "--exit-code"], ExitCode.PENDING),
    "baseline": (["baseline"], ExitCode.OK),
    "repair": (["repair", "001_accounts", "--applied"], ExitCode.OK),
    "lint": (["lint"], ExitCode.OK),
    "new": (["new", "x"], ExitCode.OK),
    "schema of nothing": (["schema"], ExitCode.OK),
    "no such folder": (["up", "--migrations", "nowhere"], ExitCode.USAGE),
    "unknown option": (["up", "--nope"], ExitCode.USAGE),
    "repair of an unknown one": (["repair", "009_x", "--applied"], ExitCode.USAGE),
    "no server": (
        ["plan", "--endpoint", "localhost:1", "--region", "us-east-1"],
        ExitCode.CANNOT_CONNECT,
    ),
}
AFTER_UP: dict[str, tuple[list[str], ExitCode]] = {
    "status": (["status", "--exit-code"], ExitCode.OK),
    "schema": (["schema"], ExitCode.OK),
    "verify": (["verify", "--exit-code"], ExitCode.OK),
    "up again": (["up"], ExitCode.OK),
    "plan of nothing": (["plan", "--exit-code"], ExitCode.OK),
    "baseline of an applied one": (["baseline"], ExitCode.USAGE),
}
_CHANGING = {
    r"\d{4}-\d\d-\d\dT[0-9:.+]+": "TIME",
    r"\S+@\S+ blocks\[\d+/[0-9a-f]+\]": "RUN",
    r'"milliseconds": [0-9.]+': '"milliseconds": N',
    r"[^\" ]*/project[0-9]+/": "",
    r"connection failed: .*(?=\")": "connection failed: WHY",
}


def _shown(text: str) -> str:
    """Return the JSON output of a command, with variable parts normalized."""
    json.loads(text)
    for pattern, same in _CHANGING.items():
        text = re.sub(pattern, same, text)
    return text


@pytest.mark.usefixtures("cluster_keys")
@pytest.mark.parametrize(("command", "code"), JSON.values(), ids=JSON)
def test_json_and_exit_code(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    snapshot: SnapshotAssertion,
    command: list[str],
    code: ExitCode,
) -> None:
    monkeypatch.setattr("blocks_cli.migrations.database.CONNECT_PATIENCE", 0.0)
    project.write(BANK)
    result = project.blocks(*command, "--json")
    assert result.code == code
    assert _shown(result.out) == snapshot


def test_json_and_exit_code_of_an_applied_database(project: Project, snapshot: SnapshotAssertion) -> None:
    project.write(BANK)
    project.blocks("up")
    for command, code in AFTER_UP.values():
        result = project.blocks(*command, "--json")
        assert (command, result.code) == (command, code)
        assert _shown(result.out) == snapshot
        assert result.err.startswith("target   ")


def test_json_and_exit_code_of_errors(project: Project, snapshot: SnapshotAssertion) -> None:
    project.write(BANK)
    project.blocks("up", "--to", "1")
    project.write({"001_accounts": "DROP TABLE a", "002_rows": "INSERT INTO accounts VALUES (1)"})
    for command, code in (
        (["status", "--exit-code"], ExitCode.PENDING),
        (["up"], ExitCode.USAGE),
        (["repair", "001_accounts", "--applied"], ExitCode.OK),
        (["up"], ExitCode.MIGRATION_FAILED),
        (["verify", "--exit-code"], ExitCode.MIGRATION_FAILED),
    ):
        result = project.blocks(*command, "--json")
        assert (command, result.code) == (command, code)
        assert _shown(result.out) == snapshot
    project.write({"003_a": "TRUNCATE a", "004_b": "LISTEN c"})
    for command in (["lint"], ["plan"]):
        result = project.blocks(*command, "--json")
        assert (command, result.code) == (command, ExitCode.USAGE)
        assert _shown(result.out) == snapshot


def test_the_same_on_a_cluster(project: Project, cluster_keys: list[str]) -> None:
    project.write(BANK)
    up = project.blocks("up", *cluster_keys)
    assert up.code == ExitCode.OK
    assert up.err.splitlines()[0] == f"target   cluster {project.cluster.endpoint()}   us-east-1   as admin"
    assert project.blocks("status", *cluster_keys, "--exit-code").code == ExitCode.OK
    assert project.blocks("schema", *cluster_keys).out == project.blocks("schema").out
    assert "CREATE INDEX ASYNC accounts_owner" in project.blocks("schema", *cluster_keys).out
    assert "X-Amz" not in up.text


def test_a_refused_statement_is_three_lines_and_exit_code_3(project: Project) -> None:
    project.write(
        BANK
        | {"004_x": "\n  INSERT INTO accounts VALUES (1, 'x', 1);\n", "005_y": "DROP INDEX accounts_owner;"}
    )
    up = project.blocks("up")
    assert up.code == ExitCode.MIGRATION_FAILED
    assert up.err.splitlines()[-3:] == [
        "error: 004_x.sql:2:3: DSQL refused the statement",
        '  why: SQLSTATE 23505: duplicate key value violates unique constraint "accounts_pkey"'
        " (Key (id)=(1) already exists.)",
        "  do:  correct the file and migrate again; nothing of this statement took effect",
    ]
    assert [line.split("   ")[0] for line in up.err.splitlines()[1:4]] == [
        f"applied  {name}.sql" for name in BANK
    ]
    status = project.blocks("status")
    assert "[!] 004_x         failed" in status.out
    assert "      do:  run `blocks up`, which shows the cause again; then correct 004_x.sql" in status.out
    assert status.err.splitlines()[-1] == "3 applied, 1 failed, 1 pending"
    for name in ("004_x", "005_y"):
        (project.migrations / f"{name}.sql").unlink()
    status = project.blocks("status", "--exit-code")
    assert "[!] 004_x         failed" in status.out
    assert "remove it from the journal: `blocks repair 004_x --pending`" in status.out
    assert status.code == ExitCode.PENDING


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\n CREATE TABLE x (\n  id int PRIMARY KEY,\n  é text, name tetx\n);", "4:16: DSQL refused"),
        ("CREATE TABLE x (id tetx);", "1:20: DSQL refused"),
        ("INSERT INTO accounts VALUES (7, 'é', 1);\r\nUPDATE accounts SET\r\n bal = 1;", "3:2: DSQL refused"),
        ("DROP INDEX nowhere;", "1:1: DSQL refused"),
    ],
)
def test_a_refusal_names_the_place_that_the_server_points_at(project: Project, text: str, place: str) -> None:
    project.write({"001_accounts": BANK["001_accounts"], "002_x": text})
    assert f"error: 002_x.sql:{place}" in project.blocks("up").err


def test_a_mistyped_database_beside_others_is_refused(project: Project) -> None:
    project.write(BANK)
    project.blocks("up")
    slip = project.blocks("status", "--database", "mian")
    assert "error: there is no local database mian" in slip.err.splitlines()
    assert "  do:  did you mean --database main?" in slip.err.splitlines()
    assert "note" not in project.blocks("status").err


@pytest.mark.parametrize("command", ["up", "plan", "baseline", "verify"])
@pytest.mark.parametrize("number", ["4", "0", "-1"])
def test_an_unknown_migration_number_is_refused(project: Project, command: str, number: str) -> None:
    project.write(BANK)
    result = project.blocks(command, "--to", number)
    assert result.code == ExitCode.USAGE
    assert f"error: --to {number}: no migration has this number" in result.err
    assert "  why: migrations has 1, 2, 3" in result.err


def test_every_finding_of_every_file_is_an_error(project: Project) -> None:
    project.write({"001_a": "TRUNCATE a", "002_b": "LISTEN c;\nCREATE TABLE b (id serial)"})
    up = project.blocks("up")
    assert (up.code, up.out) == (ExitCode.USAGE, "")
    errors = [line.split(" ")[1] for line in up.err.splitlines() if line.startswith("error: ")]
    assert errors == [
        "migrations/001_a.sql:1:1:",
        "migrations/002_b.sql:1:1:",
        "migrations/002_b.sql:2:20:",
    ]


CAUSES = {
    "rows": "INSERT INTO accounts VALUES (3, 'x'), (3, 'y')",
    "index": "CREATE UNIQUE INDEX ASYNC accounts_owner ON accounts (owner)",
}


@pytest.mark.parametrize("last", CAUSES.values(), ids=CAUSES)
def test_the_status_of_a_failed_migration_names_both_remedies(project: Project, last: str) -> None:
    """The file may be right, and rows contradict it."""
    project.write(
        {
            "001_accounts": "CREATE TABLE accounts (id int PRIMARY KEY, owner text)",
            "002_rows": "INSERT INTO accounts VALUES (1, 'ana'), (2, 'ana')",
            "003_last": last,
        }
    )
    assert project.blocks("up").code == ExitCode.MIGRATION_FAILED
    status = project.blocks("status")
    assert "[!] 003_last" in status.out
    assert (
        "do:  run `blocks up`, which shows the cause again; then correct 003_last.sql, or the rows"
        in status.out
    )


MISTAKES: dict[str, tuple[list[str], ExitCode, str, str]] = {
    "no folder": (
        ["up", "--migrations", "nowhere"],
        ExitCode.USAGE,
        "nowhere: no such folder",
        "folders with migrations: migrations",
    ),
    "unknown dialect": (
        ["lint", "--dialect", "2031"],
        ExitCode.USAGE,
        "blocks lint",
        "'2031' is not one of 'portable', '2026-09', '2026-11'",
    ),
    "which Region": (
        ["status", "--endpoint", "db.example"],
        ExitCode.USAGE,
        "--region is missing",
        "host name",
    ),
    "not a port": (
        ["status", "--endpoint", "localhost:http", "--region", "us-east-1"],
        ExitCode.USAGE,
        "--endpoint localhost:http",
        "not a port",
    ),
    "no server": (
        ["status", "--endpoint", "localhost:1", "--region", "us-east-1"],
        ExitCode.CANNOT_CONNECT,
        "the database cannot be reached",
        "refused",
    ),
    "repair how": (["repair", "001_accounts"], ExitCode.USAGE, "no status", "exactly one"),
    "repair what": (
        ["repair", "009_x", "--applied"],
        ExitCode.USAGE,
        "no migration 009_x",
        "not in the",
    ),
    "new what": (["new", "!?"], ExitCode.USAGE, "no name", "letter"),
}


@pytest.mark.usefixtures("cluster_keys")
@pytest.mark.parametrize(("command", "code", "what", "why"), MISTAKES.values(), ids=MISTAKES)
def test_a_usage_error_is_three_lines(
    project: Project, monkeypatch: pytest.MonkeyPatch, command: list[str], code: ExitCode, what: str, why: str
) -> None:
    monkeypatch.setattr("blocks_cli.migrations.database.CONNECT_PATIENCE", 0.0)
    project.write(BANK)
    result = project.blocks(*command)
    assert (result.code, result.out) == (code, "")
    first, second, third = result.err.splitlines()[-3:]
    assert first.startswith("error: ") and what in first
    assert second.startswith("  why: ") and why in second
    assert third.startswith("  do:  ")


def test_wrong_credentials_and_an_unreachable_cluster_are_different_errors(
    project: Project, cluster_keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    project.write(BANK)
    result = project.blocks("status", *cluster_keys)
    assert result.code == ExitCode.CANNOT_CONNECT
    assert "error: the database refused the login" in result.err
    assert "not-the-secret" not in result.text


def test_new_numbers_have_the_same_width(project: Project) -> None:
    project.write({"0007_a": "DROP TABLE a", "0012_b": "DROP TABLE b"})
    assert project.blocks("new", "Add column: owner!").code == ExitCode.OK
    assert (project.migrations / "0013_add_column_owner.sql").exists()
    assert project.blocks("new", "Größe à Orléans").code == ExitCode.OK
    assert (project.migrations / "0014_gro_e_a_orleans.sql").exists()


def test_lint_names_a_dialect_that_accepts_the_statement(project: Project) -> None:
    project.write({"001_a": "CREATE TABLE a (v jsonb)"})
    told = project.blocks("lint", "--dialect", "portable").err.splitlines()[-1]
    other = f"--dialect {RECORDED.name}, or for everything: {as_setting(RECORDED)}"
    assert (
        told
        == f"1 finding, explained by `blocks explain-error jsonb-column`; to select another dialect: {other}"
    )
    assert project.blocks("lint", "--dialect", "2026-09").code == ExitCode.OK


def test_two_formats_are_refused(project: Project) -> None:
    told = project.blocks("lint", "--json", "--format", "sarif")
    assert (told.code, "error: --json and --format" in told.err) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_describes_the_command_and_every_option(project: Project, name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help
    text = project.blocks(name, "--help").out
    assert " ".join(command.help.split("\n\n")[0].split()) in " ".join(text.split())
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert not [each.name for each in options if not each.help]
    assert not [each.opts for each in options if each.opts[0] not in text]


HEAVY = {
    *("aws_cdk", "jsii", "boto3", "botocore", "postgast", "google", "blocks", "blocks_cli.local"),
    *("psycopg", "asyncio", "dsql_dialect.rules", "dsql_dialect.statement", "local_dsql.cli.commands"),
}


def test_status_imports_no_driver_parser_or_cdk(project: Project) -> None:
    """Their imports take hundreds of milliseconds."""
    project.write(BANK)
    code = (
        "import sys\nfrom blocks_cli.main import main\ntry:\n    main(['status'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        f"print({HEAVY} & {{*sys.modules}})"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    asked = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert asked.stdout.splitlines()[-1] == b"set()"


def test_the_error_lists_a_few_of_many_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cdk.json").write_text("{}")
    for number in range(7):
        (tmp_path / f"f{number}").mkdir()
        (tmp_path / f"f{number}" / "001_first.sql").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError) as caught:
        find_folder(tmp_path / "migrations")
    assert caught.value.why == "folders with migrations: f0, f1, f2, f3, f4, and 2 more"
