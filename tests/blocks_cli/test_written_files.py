"""Files that commands write: complete or not at all, with the name of the file in the error."""

from __future__ import annotations

import ast
import contextlib
import os
import resource
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import main
from blocks_cli.written_files import create_files, naming, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
NEW = {Path("a/b/one.txt"): "1" * 100, Path("a/two.txt"): "2" * 200, Path("c/three.txt"): "3" * 300}


@contextlib.contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let the system refuse to write more than a number of bytes into a file, as a full disk does after some."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def entries(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*")}


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("size", "failing"), [(0, "one.txt"), (99, "one.txt"), (150, "two.txt"), (299, "three.txt")]
)
def test_all_files_or_none(working_folder: Path, size: int, failing: str) -> None:
    (working_folder / "a").mkdir()
    with files_up_to(size), pytest.raises(OSError) as refused:
        create_files(NEW)
    assert Path(refused.value.filename).name == failing
    assert entries(working_folder) == {"a"}, "the folder that was there is kept"
    create_files(NEW)
    assert {path: path.read_text() for path in NEW} == NEW


def test_an_existing_file_is_kept_and_the_others_are_not_created(working_folder: Path) -> None:
    (working_folder / "c").mkdir()
    (working_folder / "c/three.txt").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        create_files(NEW)
    assert entries(working_folder) == {"c", "c/three.txt"}


@pytest.mark.parametrize("former", [None, "before"])
def test_a_file_has_its_former_content_or_the_new_one(working_folder: Path, former: str | None) -> None:
    path = working_folder / "report.md"
    if former is not None:
        path.write_text(former)
        path.chmod(0o640)
    with files_up_to(10), pytest.raises(OSError) as refused:
        replace_file(path, "x" * 20)
    assert refused.value.filename == str(path)
    assert {each.name: each.read_text() for each in working_folder.iterdir()} == (
        {} if former is None else {"report.md": former}
    )
    replace_file(path, "new")
    assert path.read_text() == "new"
    if former is not None:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_is_followed_and_a_device_is_written(working_folder: Path) -> None:
    (working_folder / "link").symlink_to("file")
    replace_file(working_folder / "link", "through")
    assert ((working_folder / "file").read_text(), (working_folder / "link").is_symlink()) == (
        "through",
        True,
    )
    replace_file(Path(os.devnull), "nothing")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of a user who is not root, as which the test runs."""
    former = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        if former == 0:
            os.chown(name, _NOBODY, _NOBODY)
            os.setegid(_NOBODY)
            os.seteuid(_NOBODY)
        try:
            yield Path(name)
        finally:
            Path(name).chmod(0o700)
            os.seteuid(former)
            if former == 0:
                os.setegid(0)


_NOBODY = 65534


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_a_protected_file_is_refused(unprivileged: Path) -> None:
    path = unprivileged / "report.md"
    path.write_text("before")
    path.chmod(0o444)
    with pytest.raises(PermissionError) as refused:
        replace_file(path, "after")
    assert (refused.value.filename, path.read_text()) == (str(path), "before")
    assert entries(unprivileged) == {"report.md"}


def test_a_file_in_a_folder_without_the_permission_to_write(unprivileged: Path) -> None:
    """Such as one file that a container has from its host."""
    path = unprivileged / "report.md"
    path.write_text("before" * 10)
    before = inode(path)
    unprivileged.chmod(0o555)
    replace_file(path, "after")
    assert (inode(path), path.read_text()) == (before, "after")
    with files_up_to(10), pytest.raises(OSError) as refused:
        replace_file(path, "x" * 20)
    assert (refused.value.filename, path.read_text()) == (str(path), "after")
    with pytest.raises(PermissionError) as missing:
        replace_file(unprivileged / "new.md", "x")
    assert missing.value.filename == str(unprivileged / "new.md")


def test_a_file_keeps_its_other_links(unprivileged: Path) -> None:
    path, other = unprivileged / "report.md", unprivileged / "other.md"
    path.write_text("before")
    other.hardlink_to(path)
    replace_file(path, "after")
    assert other.read_text() == "after"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_a_file_of_another_user_stays_so(unprivileged: Path) -> None:
    path = unprivileged / "report.md"
    path.write_text("before")
    os.seteuid(0)
    os.chown(path, 1, 1)
    path.chmod(0o666)
    os.seteuid(_NOBODY)
    replace_file(path, "after")
    assert (path.read_text(), path.stat().st_uid, path.stat().st_gid) == ("after", 1, 1)
    os.seteuid(0)
    replace_file(path, "of root")
    assert (path.read_text(), path.stat().st_uid, path.stat().st_gid) == ("of root", 1, 1)


@pytest.mark.parametrize("target", ["loop", "missing/file"])
def test_a_link_that_leads_nowhere_is_an_error_of_its_name(working_folder: Path, target: str) -> None:
    path = working_folder / "loop"
    path.symlink_to(target)
    with pytest.raises(OSError) as refused:
        replace_file(path, "x")
    assert refused.value.filename == str(path)
    assert entries(working_folder) == {"loop"}


def test_the_name_of_a_file_is_added_where_the_system_gives_none() -> None:
    with pytest.raises(OSError) as refused, naming(Path("a")):
        raise OSError(28, "No space left on device")
    assert refused.value.filename == "a"
    with pytest.raises(OSError) as refused, naming(Path("a")):
        raise OSError(28, "No space left on device", "b")
    assert refused.value.filename == "b"


COMMANDS = {
    "init": ("init", "shop"),
    "init here": ("init", "--name", "shop"),
    "new": ("new", "create accounts"),
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("size", [0, 60, 400])
def test_a_command_that_cannot_write_leaves_nothing(
    working_folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], size: int
) -> None:
    with files_up_to(size):
        code = run(*arguments)
    assert (
        (code, size) == (ExitCode.OK, 400)
        if arguments[0] == "new" and size == 400
        else code == ExitCode.USAGE
    )
    if code == ExitCode.OK:
        return
    out, err = capsys.readouterr()
    assert (out, "File too large" in err, "a file of this command" in err) == ("", True, False)
    assert "cannot be written or read" in err
    assert not entries(working_folder)
    assert run(*arguments) == ExitCode.OK, "the same command works once there is room"


WRITING = frozenset({"write_text", "write_bytes"})


def test_commands_write_files_of_the_user_only_so() -> None:
    """No command opens a file for writing by itself."""
    found = [
        f"{file.name}:{node.lineno}"
        for file in sorted((ROOT / "blocks_cli/commands").glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and (
            (name := getattr(node.func, "attr", getattr(node.func, "id", ""))) in WRITING
            or (
                name == "open"
                and any(
                    isinstance(each, ast.Constant)
                    and isinstance(each.value, str)
                    and {*each.value} & {*"wxa"}
                    for each in node.args
                )
            )
        )
    ]
    assert found == []
