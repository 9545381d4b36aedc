"""Files of a project: pipes, devices, sockets and folders are refused without a wait."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from blocks_runtime.shared.regular_files import check_regular, read_regular
from tests.support.special_files import KINDS, make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("linked", [False, True])
def test_only_a_regular_file_is_read(tmp_path: Path, kind: str, linked: bool) -> None:
    path = make(tmp_path / "file", kind)
    if linked:
        (tmp_path / "link").symlink_to("file")
        path = tmp_path / "link"
    for refuse in (read_regular, check_regular):
        with pytest.raises(OSError) as refused:
            refuse(path)
        assert (refused.value.filename, refused.value.strerror) == (str(path), KINDS[kind])


def test_a_file_and_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a\r\n\xff")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == read_regular(tmp_path / "file") == b"a\r\n\xff"


def test_a_pipe_is_read_to_its_end_where_it_is_allowed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[b"x" * 200_000])
    writer.start()
    assert read_regular(tmp_path / "pipe", allow_pipe=True) == b"x" * 200_000
    writer.join()
    with pytest.raises(OSError, match="device"):
        read_regular(Path("/dev/zero"), allow_pipe=True)
