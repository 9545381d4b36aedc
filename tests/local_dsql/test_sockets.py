"""Folder of the sockets: beside the data if the path is short; files of others are never removed."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from local_dsql.postgres.sockets import (
    LONGEST_NAME,
    MAX_ADDRESS,
    make_socket_directory,
    remove_socket_directory,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path, which `tmp_path` is not for every user and system."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_short_path_keeps_the_folder(short: Path) -> None:
    directory = make_socket_directory(short / "run")
    assert directory == short / "run"
    assert directory.stat().st_mode & 0o777 == 0o700
    (directory / "left.sock").touch()
    assert list(make_socket_directory(short / "run").iterdir()) == []
    remove_socket_directory(short / "run")
    assert list(short.iterdir()) == []


def test_a_long_path_uses_the_temporary_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * MAX_ADDRESS)
    deep.mkdir()
    first = make_socket_directory(deep / "run")
    assert len(os.fsencode(first)) + LONGEST_NAME <= MAX_ADDRESS
    second = make_socket_directory(deep / "run")
    assert not first.exists()
    assert (deep / "run").readlink() == second
    remove_socket_directory(deep / "run")
    assert not second.exists()
    assert list(deep.iterdir()) == []


def test_a_link_to_something_else_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "run").symlink_to(precious)
    remove_socket_directory(tmp_path / "run")
    assert precious.is_dir()
    (tmp_path / "run").symlink_to(Path("/tmp/local-dsql-gone"))
    remove_socket_directory(tmp_path / "run")
    assert not (tmp_path / "run").is_symlink()
