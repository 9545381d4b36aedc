"""Deploys that cannot start: interrupted app, missing Node, read-only folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from blocks_cli.main import main
from tests.support.processes import processes_of, wait_until

if TYPE_CHECKING:
    from pathlib import Path

SLOW = """
import pathlib, time
pathlib.Path("begun").touch()
time.sleep(60)
"""


def test_ctrl_c_during_the_synth_is_quiet_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-c", "from blocks_cli.main import main; main()", "deploy", "--local", "--app"]
    with subprocess.Popen(
        [*command, f"true; {sys.executable} {tmp_path}/slow.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A test run in the background of a shell ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:
        while not (tmp_path / "begun").exists():
            assert running.poll() is None
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)
        text, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in text
    assert text.splitlines()[-1] == "interrupted"
    wait_until(lambda: not processes_of(tmp_path))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("exit 1", "the AWS CDK needs Node, and `node` is not on PATH"),
        (f"{sys.executable} -c 'import aws_cdk'", "the AWS CDK needs Node, and `node` is not on PATH"),
        (f"{sys.executable} -c '1/0'", "ZeroDivisionError: division by zero"),
    ],
    ids=["status", "jsii", "error of the app"],
)
def test_missing_node_is_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: str,
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("--app", command) == 2
    assert f"why: {why}" in capfd.readouterr().err


def test_warnings_about_the_node_version_are_silenced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", raising=False)
    run("--app", "echo silenced: $JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION; exit 1")
    assert "silenced: 20" in capfd.readouterr().err


def test_a_read_only_folder_is_not_an_internal_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cdk.json").write_text("{}")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / ".blocks"))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)  # root may write anywhere, and mounting takes root
    with pytest.raises(SystemExit) as ended:
        main(["deploy", "--local", "--app", "true"])
    assert ended.value.code == 2
    assert capfd.readouterr().err.splitlines()[-3:] == [
        f"error: {tmp_path}/.blocks: cannot be written or read",
        "  why: Read-only file system",
        "  do:  grant this user access to it, or remove it, then run the command again",
    ]
    # Where nothing is deployed the others have nothing to write.
    for command, code in ((["destroy", "--local"], 0), (["invoke", "Orders"], 2)):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == code
        assert "cannot be written" not in capfd.readouterr().err


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["deploy", "--local", *arguments])
    return ended.value.code
