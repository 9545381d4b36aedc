"""`blocks dev` as a process: its output, and what it leaves behind."""

from __future__ import annotations

import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from blocks_cli.exit_codes import ExitCode
from tests.support.dev_process import DevProcess
from tests.support.dev_project import DevProject, function_url
from tests.support.http_requests import fetch
from tests.support.processes import processes_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HANDLER = """
import subprocess
def handler(event, context):
    print("handled")
    return "{}"
"""
COPY = ("--app", 'cp -R cdk.out/. "$CDK_OUTDIR"')


@pytest.fixture
def project(tmp_path: Path) -> DevProject:
    made = DevProject(tmp_path, {"Orders": "orders.handler"}, {"Url": function_url("Orders")})
    made.write("functions/orders.py", HANDLER.replace("{}", "first"))
    made.write("cdk.json", "{}")
    made.synthesize()
    return made


@contextmanager
def running(project: DevProject) -> Iterator[DevProcess]:
    process = DevProcess(project.folder, *COPY)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


def test_a_change_an_error_and_the_end(project: DevProject) -> None:
    with running(project) as dev:
        url = dev.url()
        dev.wait_for("ready")
        assert fetch(url)[2] == b"first"
        assert dev.wait_for("handled") == "[Orders] handled"
        project.write("functions/orders.py", HANDLER.replace("{}", "second"))
        assert "deployed functions/orders.py: S/Orders" in dev.wait_for("deployed")
        assert fetch(url)[2] == b"second"
        project.write("functions/orders.py", "def handler(:")
        dev.wait_for("error: S/Orders: the new version does not start")
        assert "Runtime.UserCodeSyntaxError" in dev.wait_for("why:")
        dev.wait_for("do:")
        assert fetch(url)[2] == b"second"
        second = DevProcess(project.folder, *COPY)
        second.wait_for("`blocks dev` is running")
        assert second.end(0) == ExitCode.USAGE
        assert dev.end() == ExitCode.OK
    assert processes_of(project.folder) == []
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2])), timeout=5)


ENDS = {"SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP, "SIGKILL": signal.SIGKILL}


@pytest.mark.parametrize("number", ENDS.values(), ids=ENDS)
def test_nothing_is_left_after_a_signal(project: DevProject, number: signal.Signals) -> None:
    with running(project) as dev:
        dev.wait_for("ready")
        assert dev.end(number) == (-signal.SIGKILL if number is signal.SIGKILL else ExitCode.OK)
    wait_until(lambda: processes_of(project.folder) == [])


def test_rapid_saves_end_with_the_last_one(project: DevProject) -> None:
    with running(project) as dev:
        url = dev.url()
        dev.wait_for("ready")
        for number in range(30):
            project.write("functions/orders.py", HANDLER.replace("{}", f"version {number}"))
        wait_until(lambda: fetch(url)[2] == b"version 29", 30)
        assert dev.end() == ExitCode.OK


def test_an_app_that_fails_is_tried_again_after_a_change(project: DevProject) -> None:
    (project.folder / "cdk.out").rename(project.folder / "kept")
    with running(project) as dev:
        dev.wait_for("error: synth failed")
        dev.wait_for("ready")
        (project.folder / "kept").rename(project.folder / "cdk.out")
        project.write("app.py", "")
        assert "http://127.0.0.1:" in dev.wait_for("url ")
        assert dev.end() == ExitCode.OK
