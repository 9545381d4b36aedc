"""Both Regions on this machine: a restart of the database keeps what was set, and expected errors have no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from blocks_cli.workspace import Workspace
from examples.worldseat.local import DATABASE
from examples.worldseat.regions import HOME, PEER
from local_dsql import LocalCluster
from tests.end_to_end.worldseat.conftest import COMMIT_LATENCY
from tests.support.processes import PROJECT, processes_of, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from examples.worldseat.local import LocalWorldSeat


def ask(url: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """Send a request to the switch and return status and JSON."""
    content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, content), timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.mark.slow
def test_a_restart_of_the_database_keeps_latency_and_stopped_regions(app: LocalWorldSeat) -> None:
    folder = app.folder / "local" / DATABASE
    with app.switch() as switch, LocalCluster(folder) as cluster:
        try:
            assert ask(switch, {"region": PEER, "stopped": True})[1]["stopped"] == [PEER]
            os.kill(int((folder / "data" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
            wait_until(lambda: not processes_of(folder))
            assert ask(switch)[1]["stopped"] == [PEER], "known while no server runs"
            status, answer = ask(switch, {"region": PEER, "stopped": False})
            assert (status, answer["stopped"], "repeat it" in answer["error"]) == (503, [PEER], True)
            app.update([])
            assert cluster.start().status.commit_latency == COMMIT_LATENCY
            with pytest.raises(psycopg.OperationalError, match="refused"):
                psycopg.connect(cluster.dsn(PEER))
            psycopg.connect(cluster.dsn(HOME)).close()
            assert ask(switch)[1]["stopped"] == [PEER]
            assert ask(switch, {"region": PEER, "stopped": False})[1]["stopped"] == []
            psycopg.connect(cluster.dsn(PEER)).close()
        finally:
            app.start_region(PEER)


@pytest.mark.slow
@pytest.mark.parametrize(
    "body", [[], {}, {"region": PEER}, {"region": [PEER], "stopped": True}, b"{", b"[" * 1000, b"\xff"]
)
def test_the_switch_says_what_to_send(app: LocalWorldSeat, body: object) -> None:
    with app.switch() as switch:
        status, answer = ask(switch, body)
        assert (status, answer["stopped"]) == (400, [])
        assert "send a JSON object with region and stopped" in answer["error"]
        assert [each["region"] for each in ask(switch)[1]["regions"]] == [HOME, PEER]


def serve(folder: Path, *arguments: str) -> str:
    """Run `serve` in a folder in use, and return what it says."""
    command = [sys.executable, "-m", "examples.worldseat", "serve", "--folder", str(folder), *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_another_server_of_the_folder_is_an_error(tmp_path: Path) -> None:
    with LocalCluster(tmp_path / ".blocks" / "local" / DATABASE, commit_latency=COMMIT_LATENCY):
        assert "runs with another commit latency" in serve(tmp_path, "--commit-latency", "50ms")
        with Workspace(tmp_path).deploying("dev"):
            assert "`blocks dev` is running" in serve(tmp_path)


def test_a_folder_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file" in serve(tmp_path / "file" / "folder")
