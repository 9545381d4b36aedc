"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql import LocalCluster
from tests.local_dsql.processes import processes_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    command("reset", "--path", folder)
    refusal = command("psql", "--path", folder, "-Atc", "select count(*) from t", status=1)
    assert 'relation "t" does not exist' in refusal.stderr
    assert "process" in command("status", "--path", folder).stdout
    assert "stopped" in command("stop", "--path", folder).stderr
    assert json.loads(command("status", "--path", folder, "--json").stdout) == {"running": False}
    assert "was not running" in command("stop", "--path", folder).stderr


def test_wrong_usage_and_a_cluster_that_cannot_start_have_their_codes(tmp_path: Path) -> None:
    assert "not the name of a Region" in command("start", "--region", "mars", status=2).stderr
    (tmp_path / "file").touch()
    answer = command("start", "--path", tmp_path / "file" / "c", status=4)
    assert "cannot use the folder" in answer.stderr
    assert "do:" in answer.stderr


def test_the_other_dialect_is_told_to_wait(folder: Path) -> None:
    with LocalCluster(folder) as cluster:
        answer = command("start", "--path", folder, "--dialect", "2026-09", status=4)
    assert f"process {cluster.folder.path}" not in answer.stderr
    assert "another dialect" in answer.stderr
