"""Dumps and loads that are killed before each of their file operations, and in the middle of each write."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.blocks_cli.migrations.conftest import Project

KILLED = """
import atexit, os, signal, sys

left = int(sys.argv.pop(1))
names = sys.argv.pop(1).split(",")

def count(name):
    global left
    if isinstance(name, (str, bytes, os.PathLike)) and any(each in os.fsdecode(name) for each in names):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

def before(event, arguments):
    if event in ("open", "os.rename", "os.remove", "os.truncate"):
        count(arguments[0])

from blocks_cli.bulk import continued_file
write = continued_file.write_all

def write_in_two(file, content):
    half = len(content) // 2
    write(file, content[:half])
    count(names[0])
    write(file, content[half:])

continued_file.write_all = write_in_two
sys.addaudithook(before)
atexit.register(lambda: print(-left, file=sys.stderr))
from blocks_cli.main import main
main(sys.argv[1:])
"""
"""A program that kills itself at an operation, by number, on files whose paths have one of some names."""


def operations(project: Project, names: str, *arguments: str) -> int:
    """Return the number of operations of a command."""
    command = [sys.executable, "-c", KILLED, "0", names, *arguments]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, timeout=60)
    return int(done.stderr.split()[-1])


MOST = 80
"""Operations of a command, at most."""


def killed_at(project: Project, number: int, names: str, *arguments: str) -> bool:
    """Run a command that kills itself at an operation; return False if it had fewer."""
    command = [sys.executable, "-c", KILLED, str(number), names, *arguments]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, timeout=60)
    assert done.returncode in (-signal.SIGKILL, ExitCode.OK, ExitCode.MIGRATION_FAILED), done.stderr
    return done.returncode == -signal.SIGKILL


def clean(folder: Path) -> None:
    for left in [*folder.glob("killed*"), *folder.glob(".blocks/loads/*")]:
        left.unlink()


OLD = b"a dump of yesterday\n"


def check_dump(project: Project, suffix: str, numbers: range) -> int:
    """Kill a dump at operations, and repeat it; return how many operations it has."""
    name = f"killed.{suffix}"
    path = project.folder / name
    whole = project.blocks("dump", "--table", "notes", "--format", suffix.removesuffix(".gz")).out.encode()
    read = gzip.decompress if suffix.endswith(".gz") else bytes
    for number in numbers:
        clean(project.folder)
        path.write_bytes(OLD)
        dump = ("dump", "--table", "notes", "-o", name)
        if not killed_at(project, number, "killed.", *dump):
            return number - 1
        found = path.read_bytes()
        assert found == OLD or read(found) == whole, number
        again = project.blocks(*dump)
        assert again.code == ExitCode.OK, (number, again.err)
        assert read(path.read_bytes()) == whole, number
        assert [each.name for each in project.folder.glob("killed*")] == [name], number
    return numbers.stop - 1


def make_notes(project: Project) -> None:
    project.run(
        "CREATE TABLE notes (n int PRIMARY KEY, t text)",
        "INSERT INTO notes SELECT n, repeat('é', 90) FROM generate_series(1, 250) AS n",
    )


def test_a_dump_killed_after_its_rename(project: Project) -> None:
    """The journal is left, and the partial file is gone; an earlier version made a file of NUL bytes."""
    make_notes(project)
    last = operations(project, "killed.", "dump", "--table", "notes", "-o", "killed.csv")
    assert check_dump(project, "csv", range(last, last + 1)) == last


@pytest.mark.slow  # a process for each operation
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "csv.gz"])
def test_a_dump_killed_at_each_operation(project: Project, suffix: str) -> None:
    make_notes(project)
    assert 6 < check_dump(project, suffix, range(1, MOST)) < MOST - 1


LINES = {
    # Bad by the database, and by the reader; several transactions; rejects in the first, in the middle, and at the end.
    "killed.csv": "\n".join(["n,t", *(f"{'x' if n % 7 == 3 else ''}{n},t" for n in range(60)), ""]),
    "killed.jsonl": "\n".join([*(f'{{"n": {n}}}' if n % 7 != 3 else f"{{broken {n}" for n in range(60)), ""]),
}


def check_load(project: Project, name: str, key: str, numbers: range) -> int:
    """Kill a load at operations, and repeat it; return how many operations it has."""
    bad = sum(n % 7 == 3 for n in range(60))
    for number in numbers:
        clean(project.folder)
        project.run("DROP TABLE IF EXISTS killed", f"CREATE TABLE killed (n int {key}, t text)")
        (project.folder / name).write_text(LINES[name])
        load = ("load", name, "--table", "killed", "--parallel", "1", "--transaction-rows", "20", "--json")
        if not killed_at(project, number, "loads/,rejects", *load):
            return number - 1
        again = project.blocks(*load)
        assert again.code == ExitCode.MIGRATION_FAILED, (number, again.err)
        counted = [(60 - bad, 60 - bad)]
        assert project.rows("SELECT count(*), count(DISTINCT n) FROM killed") == counted, number
        assert json.loads(again.out)["rejects"] == "killed.rejects.jsonl"
        lines = (project.folder / "killed.rejects.jsonl").read_text("utf-8").splitlines()
        assert len({json.loads(line)["line"] for line in lines}) == len(lines) == bad, number
        assert {each.name for each in project.folder.glob("killed*")} == {name, "killed.rejects.jsonl"}
        assert not [*project.folder.glob(".blocks/loads/*")]
    return numbers.stop - 1


@pytest.mark.parametrize("name", LINES)
def test_a_load_without_a_key_killed_between_commit_and_journal(project: Project, name: str) -> None:
    """The rows are in the table, and the rejects are in no file yet, or in one that has more than the journal says."""
    assert check_load(project, name, "", range(6, 8)) == 7


@pytest.mark.slow  # a process for each operation
@pytest.mark.parametrize("key", ["PRIMARY KEY", ""], ids=["key", "no key"])
@pytest.mark.parametrize("name", LINES)
def test_a_load_killed_at_each_operation(project: Project, name: str, key: str) -> None:
    assert 6 < check_load(project, name, key, range(1, MOST)) < MOST - 1
