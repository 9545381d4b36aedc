"""Commands whose standard streams are closed, full or without a reader: exit codes as documented."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_dsql.exit_codes import ExitCode

ROOT = Path(__file__).parents[2]
MAINS = {"blocks": "blocks_cli.main", "local-dsql": "local_dsql.cli"}
COMMANDS = {
    "help": (["blocks", "--help"], ExitCode.OK),
    "config": (["blocks", "config"], ExitCode.OK),
    "lint": (["blocks", "lint"], ExitCode.OK),
    "a finding": (["blocks", "lint", "bad.sql"], ExitCode.USAGE),
    "an error as JSON": (["blocks", "lint", "none.sql", "--json"], ExitCode.USAGE),
    "nothing on stdin": (["blocks", "lint", "-"], ExitCode.USAGE),
    "local-dsql": (["local-dsql", "status"], ExitCode.CANNOT_CONNECT),
}
CLOSED = [(0,), (1,), (2,), (0, 1, 2)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "cdk.json").write_text("{}")
    (folder / "migrations").mkdir()
    (folder / "migrations/001_a.sql").write_text("CREATE TABLE a (id int PRIMARY KEY)")
    (folder / "bad.sql").write_text("TRUNCATE a")
    return folder


def run(project: Path, arguments: list[str], redirections: str) -> int:
    program, *rest = arguments
    shell = f'exec "$0" -c "$@" {redirections}'
    command = ["/bin/sh", "-c", shell, sys.executable, f"from {MAINS[program]} import main; main()", *rest]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    return subprocess.run(
        command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=30,
    ).returncode


@pytest.mark.parametrize(("arguments", "code"), COMMANDS.values(), ids=COMMANDS)
def test_the_exit_code_is_that_of_open_streams(project: Path, arguments: list[str], code: ExitCode) -> None:
    found = {closed: run(project, arguments, " ".join(f"{each}>&-" for each in closed)) for closed in CLOSED}
    assert found == dict.fromkeys(CLOSED, code)


@pytest.mark.parametrize("stream", [1, 2])
def test_a_full_disk_of_the_output_is_no_internal_error(project: Path, stream: int) -> None:
    assert run(project, ["blocks", "config"], f"{stream}>/dev/full") == ExitCode.MIGRATION_FAILED


def test_a_file_never_gets_the_descriptor_of_a_closed_stream(project: Path) -> None:
    """A program that is started would write its output into it."""
    program = (
        "import os, sys; from local_dsql.cli.streams import open_standard_streams as o; o(); f = open('mark', 'w');"
        "os._exit(0 if f.fileno() > 2 and None not in (sys.stdin, sys.stdout, sys.stderr) else 9)"
    )
    command = ["/bin/sh", "-c", f'exec "$0" -c "{program}" <&- >&- 2>&-', sys.executable]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    assert subprocess.run(command, cwd=project, env=environment, timeout=30).returncode == 0
