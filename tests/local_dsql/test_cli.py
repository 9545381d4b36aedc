"""The command line `local-dsql`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg
import pytest
from click.testing import CliRunner

from local_dsql import LocalCluster
from local_dsql.cli import main, serve
from local_dsql.exit_codes import ExitCode
from tests.support.processes import processes_of, wait_until
from tests.support.programs import needs_psql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syrupy.assertion import SnapshotAssertion

PROJECT = Path(__file__).parents[2]
FOREGROUND = [sys.executable, "-m", "local_dsql"]
COMMAND = [sys.executable, "-c", "from local_dsql.cli import main; main(prog_name='local-dsql')"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("command line")
    yield path
    wait_until(lambda: not processes_of(path))


def command(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, cwd=PROJECT, check=False, timeout=60
    )
    assert answer.returncode == status, answer.stderr
    return answer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_foreground_prints_one_line_a_region(folder: Path, number: signal.Signals) -> None:
    arguments = ["--path", str(folder), "--region", "us-east-1", "--region", "eu-west-1"]
    with subprocess.Popen(
        [*FOREGROUND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT
    ) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(2)]
        for line in lines:
            assert re.fullmatch(r"postgresql://admin:\S+@localhost:\d+/postgres\?\S+\n", line)
            with psycopg.connect(line.strip()) as connection:
                connection.execute("SELECT 1")
        server.send_signal(number)
        rest, errors = server.communicate(timeout=20)
    assert rest == ""
    assert server.returncode == 0
    assert errors.splitlines()[0] == f"local cluster in {folder}"
    assert "Traceback" not in errors
    assert not processes_of(folder)


def test_foreground_ends_with_its_server(folder: Path) -> None:
    with subprocess.Popen(
        [*FOREGROUND, "--path", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        command("stop", "--path", folder)
        _, errors = server.communicate(timeout=20)
    assert server.returncode == 4
    assert "the local database has stopped" in errors


@needs_psql
def test_background_runs_until_stop(folder: Path) -> None:
    printed = json.loads(command("start", "--path", folder, "--json").stdout)
    assert set(printed) == {"us-east-1"}
    with psycopg.connect(printed["us-east-1"], autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
    status = json.loads(command("status", "--path", folder, "--json").stdout)
    assert status["running"]
    assert status["ports"] == {"us-east-1": int(printed["us-east-1"].partition("localhost:")[2][:5])}
    assert "secret" not in json.dumps(status)
    assert command("psql", "--path", folder, "-Atc", "select count(*) from t").stdout == "0\n"
    assert json.loads(command("reset", "--path", folder, "--json").stdout) == {"reset": True}
    refusal = command("psql", "--path", folder, "-Atc", "select count(*) from t", status=1)
    assert 'relation "t" does not exist' in refusal.stderr
    assert "process" in command("status", "--path", folder).stdout
    assert json.loads(command("stop", "--path", folder, "--json").stdout) == {"stopped": True}
    assert json.loads(command("status", "--path", folder, "--json", status=4).stdout) == {"running": False}
    assert "not running" in command("status", "--path", folder, status=4).stdout
    assert "was not running" in command("stop", "--path", folder).stderr


def test_wrong_usage_and_a_cluster_that_cannot_start_have_their_codes(tmp_path: Path) -> None:
    assert "not a Region name" in command("start", "--region", "mars", status=2).stderr
    assert "is not one of 'portable', " in command("start", "--dialect", "nope", status=2).stderr
    (tmp_path / "file").touch()
    answer = command("start", "--path", tmp_path / "file" / "c", status=4)
    assert "cannot use the folder" in answer.stderr
    assert "do:" in answer.stderr


def test_a_second_dialect_is_refused(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        answer = command("start", "--path", folder, "--dialect", "2026-09", status=4)
    assert f"process {cluster.folder.path}" not in answer.stderr
    assert "another dialect" in answer.stderr


@pytest.mark.parametrize("command", [main, serve, *main.commands.values()], ids=lambda each: str(each.name))
def test_help_describes_the_command_and_every_option(command: click.Command) -> None:
    answer = CliRunner().invoke(command, ["--help"], prog_name="local-dsql", terminal_width=100)
    assert answer.exit_code == 0
    assert command.help
    assert " ".join(command.help.split("\n\n")[0].split()) in " ".join(answer.stdout.split())
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert not [each.name for each in options if not each.help]
    assert not [each.opts for each in options if each.opts[0] not in answer.stdout]


def test_help_lists_commands_and_exit_codes() -> None:
    text = CliRunner().invoke(main, ["--help"], prog_name="local-dsql", terminal_width=100).stdout
    assert not [name for name in main.commands if f"\n  {name} " not in text]
    assert not [
        code for code in CODES if f"\n    {code.value}  " not in text and f"\n  {code.value}  " not in text
    ]


CODES = (
    *(ExitCode.OK, ExitCode.USAGE, ExitCode.CANNOT_CONNECT, ExitCode.INTERNAL_ERROR),
    *(ExitCode.INTERRUPTED, ExitCode.OUTPUT_CLOSED),
)


@pytest.mark.parametrize("arguments", ["status", "status --json"])
def test_a_closed_output_pipe_has_its_code(tmp_path: Path, arguments: str) -> None:
    with subprocess.Popen(
        [*COMMAND, *arguments.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        assert running.wait(30) == ExitCode.OUTPUT_CLOSED
        assert running.stderr.read() == b""


STOPPED = [
    ("status", 4),
    ("status --json", 4),
    ("stop", 0),
    ("stop --json", 0),
    ("inject OC000", 4),
    ("inject --json", 4),
    ("conflicts", 4),
    ("start --region mars", 2),
    ("start --dialect 2020", 2),
    ("start --commit-latency -1", 2),
    ("inject OC002", 2),
    ("inject OC000 --times 0", 2),
    ("inject OC000 --always --times 2", 2),
    ("inject --table accounts", 2),
    ("inject --key 7", 2),
    ("unknown", 2),
]
"""Command lines and their exit codes without a running cluster."""


@pytest.mark.parametrize(("line", "status"), STOPPED, ids=[line for line, _ in STOPPED])
def test_output_without_a_running_cluster(
    tmp_path: Path, snapshot: SnapshotAssertion, line: str, status: int
) -> None:
    name, *rest = line.split()
    arguments = [name] if name == "unknown" else [name, "--path", str(tmp_path), *rest]
    answer = CliRunner().invoke(main, arguments, prog_name="local-dsql", terminal_width=100)
    assert answer.exit_code == status
    printed = {"stdout": answer.stdout, "stderr": answer.stderr}
    assert {name: text.replace(str(tmp_path), "FOLDER") for name, text in printed.items()} == snapshot


def tell(path: Path, *arguments: str) -> tuple[str, str]:
    answer = CliRunner().invoke(main, [arguments[0], "--path", str(path), *arguments[1:]])
    assert answer.exit_code == 0, answer.stderr
    return answer.stdout, answer.stderr


def test_injections_and_conflicts(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        cluster.reset()
        with psycopg.connect(cluster.dsn()) as connection:
            connection.execute("CREATE TABLE accounts (id int PRIMARY KEY)")
        assert tell(folder, "conflicts", "--json")[0] == "[]\n"
        assert "no conflicts" in tell(folder, "conflicts")[1]
        assert "no injection is armed" in tell(folder, "inject")[1]
        line, _ = tell(folder, "inject", "OC000", "--times", "2", "--every", "3", "--table", "accounts")
        assert line == "1: OC000, 2 times, every 3 COMMITs, table accounts\n"
        line, _ = tell(folder, "inject", "OC001", "--clear", "--region", "us-east-1", "--role", "admin")
        assert line == "2: OC001, once, role admin, region us-east-1\n"
        rows, words = tell(folder, "inject", "--json")
        assert json.loads(rows) == [
            {
                "number": 2,
                "fault": "OC001",
                "times": 1,
                "every": 1,
                "table": None,
                "key": None,
                "role": "admin",
                "region": "us-east-1",
                "predicate": None,
            }
        ]
        assert "2: OC001" in words
        with psycopg.connect(cluster.dsn()) as connection:
            connection.execute("CREATE TABLE others (id int PRIMARY KEY)")
            with pytest.raises(psycopg.errors.SerializationFailure, match="OC001"):
                connection.commit()
            connection.execute("CREATE TABLE seats (room text, number int, PRIMARY KEY (room, number))")
            connection.commit()
            key = ("--table", "seats", "--key", "main hall", "--key", "7")
            line, _ = tell(folder, "inject", "connection-lost", *key)
            assert line == '3: connection-lost, once, table seats, key ("main hall",7)\n'
            connection.execute("INSERT INTO seats VALUES ('main hall', 6), ('gallery', 7)")
            connection.commit()
            connection.execute("INSERT INTO seats VALUES ('main hall', 7)")
            with pytest.raises(psycopg.OperationalError):
                connection.commit()
        shown, _ = tell(folder, "conflicts")
        assert re.fullmatch(r"\d{4}-\S+ \S+  OC001  admin@us-east-1#\d+ lost to an injection\n", shown), shown
        (row,) = json.loads(tell(folder, "conflicts", "--json")[0])
        assert (row["code"], row["injected"], row["winners"]) == ("OC001", True, [])


def test_an_injection_by_predicate_is_shown_and_cleared(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        cluster.reset()
        cluster.inject("OC000", predicate=lambda attempt: attempt.number > 1, table="accounts")
        line, _ = tell(folder, "inject")
        assert re.fullmatch(
            r"1: OC000, once, table accounts, predicate <lambda> \(tests/local_dsql/test_cli.py:\d+\)\n", line
        ), line
        assert tell(folder, "inject", "--clear") == (
            "",
            f"local cluster in {folder}\nno injection is armed\n",
        )


def test_an_unknown_region_is_wrong_usage(folder: Path) -> None:
    with LocalCluster(folder):
        answer = command("inject", "--path", folder, "OC000", "--region", "eu-west-9", status=2)
    assert "eu-west-9 is not a Region of this cluster" in answer.stderr


def test_stop_without_a_cluster(tmp_path: Path) -> None:
    """The command succeeds, and creates no folder."""
    answer = CliRunner().invoke(main, ["stop", "--path", str(tmp_path / "none" / "at all"), "--json"])
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, {"stopped": False})
    assert not (tmp_path / "none").exists()


def test_the_database_of_the_project_is_used_in_all_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cdk.json").touch()
    (tmp_path / "functions").mkdir()
    for place, shown in (
        (tmp_path, ".blocks/local/main"),
        (tmp_path / "functions", f"{tmp_path}/.blocks/local/main"),
    ):
        monkeypatch.chdir(place)
        answer = CliRunner().invoke(main, ["status"])
        assert answer.stdout == f"{shown}: no local cluster\n"


@pytest.mark.parametrize(
    "command", ["start", "stop", "status", "reset", "psql", "env", "dsn", "url", "conflicts"]
)
def test_each_command_selects_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """By its id, as all commands of `blocks` do."""
    from click.testing import CliRunner

    from local_dsql.cli.commands import main

    (tmp_path / "cdk.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert "--database ID" in CliRunner().invoke(main, [command, "--help"]).output
    if command not in ("start", "stop"):
        found = CliRunner().invoke(main, [command, "--database", "audit"])
        assert ".blocks/local/audit" in str((found.output, found.exception))
