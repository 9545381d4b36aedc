"""Loads and dumps that are killed continue, and end with the same rows as one that is not."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.blocks_cli.migrations.conftest import Project

COMMAND = [sys.executable, "-m", "blocks_cli.main"]
LOAD = ("load", "accounts.csv", "--table", "accounts", "--json")


def write(path: Path, rows: int, bad: int = 0) -> None:
    """Write a CSV file with random keys, and lines that are no rows in between."""
    random_ids = random.Random(rows)
    with path.open("w") as file:
        file.write("id,balance\n")
        for number in range(rows):
            file.write(f"{uuid.UUID(int=random_ids.getrandbits(128))},{number}\n")
            if bad and number % (rows // bad) == 0:
                file.write(f"not a key,{number}\n")


def start(project: Project, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def count(project: Project) -> int:
    (row,) = project.rows("SELECT count(*) FROM accounts")
    return int(str(row[0]))


def kill_between(project: Project, process: subprocess.Popen[bytes], least: int, how: int) -> bool:
    """Kill a load once the table has at least `least` rows; return whether it was killed before its report."""
    deadline = time.monotonic() + 120
    while process.poll() is None and count(project) < least:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(how)
    out, _ = process.communicate()
    return b'"inserted"' not in out


def check_load(
    project: Project, rows: int, key: str, kills: Sequence[tuple[int, int]], bad: int
) -> list[int]:
    """Load with kills at numbers of rows; return how many rows there were after each.

    Once a run has reported that all rows are loaded, another run would be a new load.
    """
    project.run(f"CREATE TABLE accounts (id uuid {key}, balance int)")
    write(project.folder / "accounts.csv", rows, bad)
    for left in [*project.folder.glob(".blocks/loads/*"), *project.folder.glob("*.rejects.jsonl")]:
        left.unlink()
    reached = []
    for least, how in kills:
        killed = kill_between(project, start(project, *LOAD), least, how)
        reached.append(count(project))
        if not killed:
            break
    else:
        last = project.blocks(*LOAD)
        assert last.code == (ExitCode.MIGRATION_FAILED if bad else ExitCode.OK)
    assert project.rows("SELECT count(*), count(DISTINCT id), sum(balance) FROM accounts") == [
        (rows, rows, rows * (rows - 1) // 2)
    ]
    if bad:
        lines = (project.folder / "accounts.rejects.jsonl").read_text().splitlines()
        assert len(lines) == len(set(lines)) == bad
    assert not [*project.folder.glob(".blocks/loads/*")]
    return reached


@pytest.mark.slow
@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
def test_a_killed_load_continues_to_exactly_all_rows(project: Project, key: str) -> None:
    kills = [(1, signal.SIGKILL), (9_000, signal.SIGINT)]
    reached = check_load(project, 18_000, key, kills, bad=10)
    assert 0 < reached[0] <= reached[1]
    assert reached[0] < 18_000


@pytest.mark.slow
@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
def test_loads_killed_at_random_moments(project: Project, key: str) -> None:
    draw = random.Random(os.environ.get("BLOCKS_SEED", "1"))
    for _ in range(6):
        project.cluster.reset()
        kills = [(least, signal.SIGKILL) for least in sorted(draw.sample(range(60_000), 4))]
        check_load(project, 60_000, key, kills, bad=draw.choice([0, 3, 40]))


@pytest.mark.slow
def test_a_million_rows_killed_twice(project: Project) -> None:
    reached = check_load(
        project, 1_000_000, "PRIMARY KEY", [(200_000, signal.SIGKILL), (600_000, signal.SIGKILL)], bad=0
    )
    assert reached[0] < 600_000 <= reached[1] < 1_000_000


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
def test_a_load_killed_before_its_report_loads_no_row_twice(
    project: Project, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows are committed then, and its user cannot know."""
    project.run(f"CREATE TABLE accounts (id uuid {key}, balance int)")
    write(project.folder / "accounts.csv", 4_000)
    with monkeypatch.context() as patched:
        patched.setattr("blocks_cli.console.print_json", _kill)
        assert project.blocks(*LOAD).code == ExitCode.INTERRUPTED
    assert count(project) == 4_000
    again = project.blocks(*LOAD)
    report = json.loads(again.out)
    assert (again.code, report["inserted"], report["resumed"]) == (ExitCode.OK, 0, 4_000)
    assert count(project) == 4_000
    assert not [*project.folder.glob(".blocks/loads/*")]


def _kill(_: object) -> None:
    raise KeyboardInterrupt


def test_a_journal_of_a_changed_file_is_refused(project: Project) -> None:
    project.run("CREATE TABLE accounts (id uuid PRIMARY KEY, balance int)")
    path = project.folder / "accounts.csv"
    write(path, 15_000)
    kill_between(project, start(project, "load", "accounts.csv", "--table", "accounts"), 1, signal.SIGKILL)
    write(path, 3_000)
    refused = project.blocks("load", "accounts.csv", "--table", "accounts")
    assert refused.code == ExitCode.USAGE
    assert "of another load" in refused.err
    assert project.blocks("load", "accounts.csv", "--table", "accounts", "--restart").code == ExitCode.OK


def test_a_load_that_runs_already_is_refused(project: Project) -> None:
    project.run("CREATE TABLE accounts (id uuid PRIMARY KEY, balance int)")
    write(project.folder / "accounts.csv", 30_000)
    first = start(project, "load", "accounts.csv", "--table", "accounts")
    while count(project) == 0:
        time.sleep(0.002)
    second = project.blocks("load", "accounts.csv", "--table", "accounts")
    first.kill()
    first.communicate()
    assert second.code == ExitCode.USAGE
    assert "another process runs the same load" in second.err


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "csv.gz"])
def test_a_killed_dump_continues_to_the_same_file(project: Project, suffix: str) -> None:
    project.run("CREATE TABLE accounts (n int, id text, note text, PRIMARY KEY (id, n))")
    for first in range(0, 7_500, 2_500):
        project.run(
            f"INSERT INTO accounts SELECT n, n % 97 || 'é\"', repeat('x', 900) "
            f"FROM generate_series({first}, {first + 2_499}) AS n"
        )
    name = f"killed.{suffix}"
    partial, journal = (project.folder / f"{name}.{end}" for end in ("partial", "journal"))
    process = start(project, "dump", "--table", "accounts", "-o", name)
    while process.poll() is None and not journal.exists():
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert partial.exists()
    assert not (project.folder / name).exists()
    with partial.open("ab") as file:
        file.write(b"half a ro")
    resumed = project.blocks("dump", "--table", "accounts", "-o", name)
    assert resumed.code == ExitCode.OK
    assert "rows were written by an interrupted run" in resumed.err
    assert project.blocks("dump", "--table", "accounts", "-o", f"whole.{suffix}").code == ExitCode.OK
    read = gzip.decompress if suffix.endswith(".gz") else bytes
    content = read((project.folder / name).read_bytes())
    assert content == read((project.folder / f"whole.{suffix}").read_bytes())
    assert content.count(b"\n") == 7_500 + suffix.startswith("csv")
    assert not journal.exists()
