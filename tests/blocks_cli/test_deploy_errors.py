"""Deploys that cannot start: interrupted app, missing Node, read-only folder."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from blocks_cli.file_errors import file_error
from blocks_cli.main import main
from blocks_cli.workspace import DEV, Workspace
from tests.support.processes import processes_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW = """
import pathlib, time
pathlib.Path("begun").touch()
time.sleep(60)
"""


UNINTERRUPTED = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SLOW}"
"""An app that only SIGKILL ends, so its end takes more than a second."""


@pytest.mark.parametrize(
    ("app", "pauses"),
    [(SLOW, [0.0]), (UNINTERRUPTED, [0.0, 0.3]), (UNINTERRUPTED, [0.0, 0.05, 0.3, 0.3])],
    ids=["once", "twice", "four times"],
)
def test_ctrl_c_during_the_synth_is_quiet_and_leaves_nothing(
    tmp_path: Path, app: str, pauses: list[float]
) -> None:
    (tmp_path / "slow.py").write_text(app)
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
        for pause in pauses:
            time.sleep(pause)
            os.killpg(running.pid, signal.SIGINT)
        text, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in text
    assert text.splitlines()[-1] == "interrupted"
    wait_until(lambda: not processes_of(tmp_path))
    assert not [*(tmp_path / ".blocks").glob("cdk.out*")]


STARTERS = {
    "deploy": "from blocks_cli.main import main; main(['deploy', '--local', '--app', f'true; {slow}'])",
    "cost": "from blocks_cli.commands.cost import _run; _run(slow.split())",
    "acceptance": "from blocks_cli.acceptance.stack import _run; _run(['/bin/sh', '-c', f'true; {slow}'])",
}
"""Programs that run a child process."""
ENDS = {"SIGHUP": signal.SIGHUP, "SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}


@pytest.mark.parametrize("number", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("program", STARTERS.values(), ids=STARTERS)
def test_a_child_process_ends_with_the_command(tmp_path: Path, program: str, number: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    slow = f"{sys.executable} {tmp_path}/slow.py"
    command = [sys.executable, "-c", f"slow = {slow!r}\n{program}"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
    ) as running:
        wait_until((tmp_path / "begun").exists, 20)
        assert running.poll() is None
        os.killpg(running.pid, number)
        assert running.wait(10) == -number
    wait_until(lambda: not processes_of(tmp_path))


WRITES = """
import json, os, pathlib, time
place, folder = pathlib.Path("begun"), pathlib.Path(os.environ["CDK_OUTDIR"])
first = not place.exists()
if first:
    os.setsid()
place.touch()
until = time.monotonic() + 20
while first and not pathlib.Path("go").exists() and time.monotonic() < until:
    time.sleep(0.02)
role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "first" if first else "second"}}
(folder / "S.template.json").write_text(json.dumps({"Resources": {"Role": role}}))
stack = {
    "type": "aws:cloudformation:stack",
    "environment": "aws://unknown-account/unknown-region",
    "properties": {"templateFile": "S.template.json"},
}
(folder / "manifest.json").write_text(json.dumps({"artifacts": {"S": stack}}))
pathlib.Path("written").touch()
"""
"""An app whose first run waits for a file `go` in the middle of its synth, in a session of its own."""


@contextlib.contextmanager
def first_deploy(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a deploy that is in the middle of its synth."""
    (folder / "writes.py").write_text(WRITES)
    command = [sys.executable, "-c", "from blocks_cli.main import main; main()", "deploy", "--local"]
    with subprocess.Popen(
        [*command, "--app", f"true; {sys.executable} writes.py"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        wait_until((folder / "begun").exists)
        yield running


def role_name(folder: Path) -> object:
    template = json.loads((folder / ".blocks" / "cdk.out" / "S.template.json").read_text())
    return template["Resources"]["Role"]["Properties"]["RoleName"]


@pytest.mark.parametrize("command", [["deploy", "--local"], ["dev"]], ids=["deploy", "dev"])
def test_a_deploy_during_the_synth_of_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with first_deploy(tmp_path) as running:
        with pytest.raises(SystemExit) as ended:
            main([*command, "--app", f"{sys.executable} writes.py"])
        (tmp_path / "go").touch()
        _, text = running.communicate(timeout=30)
    for number, handler in handlers.items():
        signal.signal(number, handler)  # `blocks dev` sets them
    assert ended.value.code == 2
    assert ".blocks: another deploy is running" in capfd.readouterr().err
    assert (running.returncode, text.splitlines()[-1]) == (0, "deployed 1 changes")
    assert role_name(tmp_path) == "first"


def test_a_deploy_beside_dev_leaves_its_assembly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path)
    workspace.assembly.mkdir(parents=True)
    (workspace.assembly / "manifest.json").write_text("that of dev")
    with workspace.deploying(DEV):
        assert run("--app", "true") == 2
    assert ".blocks: `blocks dev` is running" in capfd.readouterr().err
    assert (workspace.assembly / "manifest.json").read_text() == "that of dev"


def test_an_app_whose_deploy_was_killed_writes_into_no_later_assembly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with first_deploy(tmp_path) as running:
        running.kill()
    assert len(processes_of(tmp_path)) > 0, "the app goes on: it has left the process group of the command"
    for _ in range(2):  # the second time removes what the first app may have left
        assert run("--app", f"{sys.executable} writes.py") == 0
        (tmp_path / "go").touch()
        wait_until(lambda: not processes_of(tmp_path))
        assert role_name(tmp_path) == "second"
    assert [each.name for each in (tmp_path / ".blocks").glob("cdk.out*")] == ["cdk.out"]


def test_a_folder_that_another_process_fills_is_no_fault_of_its_permissions(tmp_path: Path) -> None:
    error = file_error(OSError(errno.ENOTEMPTY, "Directory not empty", str(tmp_path)))
    assert (error.why, error.remedy) == (
        "Directory not empty",
        "end the process that writes into it, then run the command again",
    )


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
        "  do:  work on a copy in a folder that can be written, or mount the file system with write access",
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
