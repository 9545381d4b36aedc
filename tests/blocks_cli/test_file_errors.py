"""Errors of files: each has the remedy of its cause, and every command spells a name alike."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from blocks_cli.file_errors import file_error
from tests.support.processes import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

REMEDIES = {
    errno.EACCES: "grant this user access",
    errno.EPERM: "grant this user access",
    errno.EROFS: "mount the file system with write access",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "correct the path",
    errno.ENOTDIR: "a part of it is a file",
    errno.EISDIR: "it is a folder",
    errno.EEXIST: "remove it",
    errno.ENOTEMPTY: "end the process that writes",
    errno.ELOOP: "symbolic links",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "many files open",
    errno.EIO: "check the disk",
    errno.ESTALE: "network file system",
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.ETXTBSY: "remove the reason that the system gives",
}


@pytest.mark.parametrize(("number", "remedy"), REMEDIES.items(), ids=map(errno.errorcode.get, REMEDIES))
def test_the_remedy_is_that_of_the_cause(tmp_path: Path, number: int, remedy: str) -> None:
    error = file_error(OSError(number, os.strerror(number), str(tmp_path / "file")))
    assert error.what == f"{tmp_path / 'file'}: cannot be written or read"
    assert error.why == os.strerror(number)
    assert remedy in error.remedy
    assert ("access to it" in error.remedy) == (number in (errno.EACCES, errno.EPERM))


def blocks(folder: Path, *arguments: str) -> tuple[int, bytes, bytes]:
    """Run a command in a process of its own: its streams have the encoding of the locale."""
    command = [sys.executable, "-c", "from blocks_cli.main import main; main()", *arguments]
    environment = os.environ | {"LC_ALL": "C.UTF-8", "PYTHONPATH": f"{PROJECT}:{PROJECT / 'runtime'}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    code, _, said = blocks(tmp_path, "new", "a" * 300)
    assert code == ExitCode.USAGE
    assert b"why: File name too long\n  do:  choose a shorter name or path" in said


@pytest.mark.parametrize(
    "command", [["lint"], ["lint", "--json"], ["new", "x"], ["status"], ["plan"]], ids=str
)
def test_a_name_that_is_no_utf_8_has_one_spelling(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "cdk.json").write_text("{}")
    folder = tmp_path / "migrations"
    folder.mkdir()
    with open(os.fsencode(folder) + b"/001_\xff\xfe.sql", "x") as file:  # noqa: PTH123 - a name as bytes
        file.write("CREATE TABLE t (id int PRIMARY KEY);\n")
    _, out, err = blocks(tmp_path, *command)
    assert rb"001_\udcff\udcfe.sql" in out + err
    (out + err).decode()
