"""A server that does not answer: each request ends with an error, none is taken for the end of the server."""

from __future__ import annotations

import socket
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_dsql import LocalCluster
from local_dsql.client import launch
from local_dsql.client.launch import wait_for_end, write_state
from local_dsql.errors import ServerMismatchError
from local_dsql.storage.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """The folder of a server that accepts connections and never answers."""
    monkeypatch.setattr(launch, "ANSWER_TIMEOUT", 0.1)
    folder = Folder.at(tmp_path)
    folder.prepare()
    with tempfile.TemporaryDirectory() as short, closing(socket.socket(socket.AF_UNIX)) as server:
        path = Path(short) / "s"
        server.bind(str(path))
        server.listen()
        write_state(folder, path)
        yield folder


def test_attaching_is_an_error(silent: Folder) -> None:
    with pytest.raises(ServerMismatchError, match="its server does not answer"):
        LocalCluster(silent.path).start()


@pytest.mark.parametrize("request_name", ["leave", "stop"])
def test_leaving_and_stopping_are_errors(silent: Folder, request_name: str) -> None:
    with pytest.raises(ServerMismatchError, match="its server does not answer"):
        wait_for_end(silent, request_name)
