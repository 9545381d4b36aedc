"""Commands as processes: interrupted, killed, without their database, or with a closed output pipe."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from local_dsql import LocalCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
FILES = {
    "001_t": "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid());",
    "002_endless": "-- blocks: batch\nINSERT INTO t DEFAULT VALUES;",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with more migrations than a test waits for."""
    (tmp_path / "cdk.json").write_text("{}")
    (tmp_path / "migrations").mkdir()
    for name, text in FILES.items():
        (tmp_path / "migrations" / f"{name}.sql").write_text(text)
    return tmp_path


@contextlib.contextmanager
def running(project: Path, *arguments: str, until: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background, and wait for a line with this beginning on stderr."""
    command = [sys.executable, "-m", "blocks_cli.main", *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    with subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            while until and not process.stderr.readline().startswith(until):
                assert process.poll() is None
            yield process
        finally:
            process.kill()


def said(project: Path, *arguments: str) -> tuple[str, str]:
    with running(project, *arguments) as process:
        return process.communicate()


def wait_until_it_holds_the_lease(project: Path, up: subprocess.Popen[str]) -> None:
    """Wait until the command holds the lease, according to `blocks status`."""
    while f"blocks[{up.pid}/" not in said(project, "status")[1]:
        assert up.poll() is None


@pytest.mark.slow
def test_up_interrupted_killed_and_without_its_database(project: Path) -> None:
    """Each time the journal has the completed migrations, and the next run starts without waiting."""
    with LocalCluster(project / ".blocks" / "local" / "main") as cluster:
        with running(project, "up", until="applied  001_t.sql") as up:
            up.send_signal(signal.SIGINT)
            _, err = up.communicate()
            assert (up.returncode, err.splitlines()[-1]) == (ExitCode.INTERRUPTED, "interrupted")
        with running(project, "up", until="target") as up:
            wait_until_it_holds_the_lease(project, up)
            up.kill()
        out, err = said(project, "status")
        assert "[x] 001_t" in out
        assert "a migrator is running" not in err, "its process has ended, which is visible on this machine"
        with running(project, "up", "--wait", "0", until="target") as up:
            wait_until_it_holds_the_lease(project, up)
            os.kill(cluster.status.pid, signal.SIGKILL)
            _, err = up.communicate()
            assert up.returncode == ExitCode.CANNOT_CONNECT
            assert "error: the local database has stopped\n" in err
            assert "\n  do:  run the command again: it starts the database and continues where" in err
        assert "[x] 001_t" in said(project, "status")[0]


def test_a_closed_output_pipe(project: Path) -> None:
    with running(project, "lint", "--json") as lint:
        assert lint.stdout is not None and lint.stderr is not None
        lint.stdout.close()
        assert lint.wait() == ExitCode.OUTPUT_CLOSED
        assert "Error" not in lint.stderr.read()


def test_without_a_command_help_is_printed(project: Path) -> None:
    with running(project) as nothing:
        out, err = nothing.communicate()
        assert (nothing.returncode, out) == (ExitCode.USAGE, "")
        assert err.startswith("Usage: blocks ")


def test_an_internal_error_is_reported_as_such(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from blocks_cli.main import main

    monkeypatch.chdir(project)
    monkeypatch.setattr("blocks_cli.commands.lint.find_folder", None)
    with pytest.raises(SystemExit) as ended:
        main(["lint", "--json"])
    assert ended.value.code == ExitCode.INTERNAL_ERROR
