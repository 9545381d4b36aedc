"""The command line: stdout, stderr, exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import main
from tests.support.handler_app import HandlerApp, Thing
from tests.support.processes import processes_of, wait_until
from tests.support.sample_app import SampleApp, synthesize

if TYPE_CHECKING:
    from blocks_cli.json_value import Json

ROOT = Path(__file__).parents[2]


class Shell:
    """Runs commands in the folder of a project."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capture = capture

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        out, err = self._capture.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err


@pytest.fixture
def shell(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "cdk.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capfd)


def test_a_failed_deploy_is_rolled_back_if_asked(shell: Shell) -> None:
    app = HandlerApp(shell.folder)
    assembly = app.assembly({"S": {"Resources": app.resources({"A": Thing(fails="new")})}})
    deploy = ("deploy", "--local", "--assembly", str(assembly), "--rollback")
    code, _, err = shell.run(*deploy, "delete")
    assert code == ExitCode.MIGRATION_FAILED
    assert "its completed steps are undone (--rollback delete)" in err
    assert err.splitlines()[-1].endswith("correct the cause and deploy again; the stack was rolled back")
    assert app.events() == ["Create A: none -> A#1 FAILED", "Delete A: A#1"]
    code, _, err = shell.run(*deploy, "everything")
    assert code == ExitCode.USAGE
    assert "'none', 'delete', 'update'" in err


def test_deploy_invoke_destroy(shell: Shell) -> None:
    synthesize(SampleApp(shell.folder / "journal"), shell.folder / "cdk.out")

    code, out, err = shell.run("deploy", "--local", "--assembly", "cdk.out")
    assert code == ExitCode.OK
    assert "Lab.Said = hello\n" in out
    lines = err.splitlines()
    assert lines[0] == "target   local   .blocks", "first of all: where"
    assert any(line.startswith("create   Lab/Thing   Custom::Thing   ") for line in lines)
    assert "[Handler] Create" in lines, "what a function writes, with its name"
    assert lines[-1] == "next     blocks invoke Other/Far --event '{}'"

    code, out, err = shell.run("deploy", "--local", "--assembly", "cdk.out", "--json")
    assert code == ExitCode.OK
    answer = json.loads(out)
    assert {change["action"] for change in answer["stacks"]["Lab"]["changes"]} == {"no change"}
    assert answer["stacks"]["Lab"]["outputs"]["Said"] == "hello"
    assert "deployed no changes" in err

    code, out, err = shell.run("invoke", "Hello", "--event", '{"n": 1}')
    assert (code, json.loads(out)["event"]) == (ExitCode.OK, {"n": 1})
    assert err.splitlines()[0] == "target   local   .blocks"

    code, out, err = shell.run("invoke", "Hello", "--event", '"set"')
    assert code == ExitCode.INVOCATION_FAILED
    failed, to_do = err.splitlines()[-2:]
    assert failed.startswith("failed   Runtime.MarshalError: ")
    assert to_do.startswith("do       return JSON: `jsonable(rows)`")

    code, out, err = shell.run("invoke", "Handler", "--json")
    assert code == ExitCode.INVOCATION_FAILED
    assert json.loads(out)["errorType"] == "KeyError"
    assert err.splitlines()[-1] == "failed   KeyError: 'RequestType'"

    code, out, err = shell.run("destroy", "--local", "--json")
    assert code == ExitCode.OK
    assert list(json.loads(out)["stacks"]) == ["Other", "Lab"]
    assert err.splitlines()[-1] == "destroyed"

    code, out, err = shell.run("destroy", "--local", "--json")
    assert (code, json.loads(out)) == (ExitCode.OK, {"stacks": {}}), "a second run has nothing to do"
    assert err.splitlines()[-1] == "nothing is deployed here"


def test_a_failed_custom_resource_is_exit_code_3(shell: Shell) -> None:
    synthesize(SampleApp(shell.folder / "journal", do="fail"), shell.folder / "cdk.out")
    code, out, err = shell.run("deploy", "--local", "--assembly", "cdk.out")
    assert (code, out) == (ExitCode.MIGRATION_FAILED, "")
    assert err.splitlines()[-3:] == [
        "error: Lab/Thing (Custom::Thing): Create failed",
        "  why: 042_seats.sql:3:1: TRUNCATE is refused",
        "  do:  correct the cause and deploy again; completed steps are kept",
    ]


MISTAKES: dict[str, tuple[list[str], str, str, str]] = {
    "no target": (
        ["deploy"],
        "blocks deploy: --local is missing",
        "this command works only locally; the cdk command line deploys to AWS",
        "run `blocks deploy --local`, or `npx cdk deploy`",
    ),
    "unknown command": (
        ["deplyo"],
        "unknown command deplyo",
        "the commands are init, dev, deploy, invoke, logs, destroy, new",
        "did you mean `blocks deploy`?",
    ),
    "unknown option": (
        ["deploy", "--locl"],
        "blocks deploy",
        "No such option",
        "did you mean --local? see `blocks deploy --help`",
    ),
    "no app": (
        ["deploy", "--local"],
        "cdk.json: no app command",
        "the file is missing or has no `app`",
        'run the command in the folder of the app, or pass --app "python app.py"',
    ),
    "no app to watch": (
        ["dev"],
        "cdk.json: no app command",
        "the file is missing or has no `app`",
        'run the command in the folder of the app, or pass --app "python app.py"',
    ),
    "value of a command in a group": (
        ["dialect", "diff", "portabel", "2026-09"],
        "blocks dialect diff",
        "'portabel' is not one of",
        "did you mean portable? see `blocks dialect diff --help`",
    ),
    "app fails": (
        ["deploy", "--local", "--app", "exit 7"],
        "synth failed: exit 7",
        "the app exited with status 7; see its output above",
        "correct the app, then deploy again; nothing was changed",
    ),
    "no assembly": (
        ["deploy", "--local", "--assembly", "nowhere"],
        "nowhere/manifest.json: no such file",
        "the cloud assembly is incomplete",
        "run the synth again, then deploy",
    ),
    "parameter": (
        ["deploy", "--local", "--assembly", ".", "-p", "x"],
        "--parameter x",
        "`=` is missing",
        "write --parameter NAME=VALUE",
    ),
    "nothing deployed": (
        ["invoke", "Hello"],
        "nothing is deployed",
        "the folder has no record of a local deploy",
        "run `blocks deploy --local`",
    ),
    "event": (
        ["invoke", "Hello", "--event", "{"],
        "--event {: not valid JSON",
        "Expecting property name",
        "pass JSON, @FILE with a JSON file, or - for stdin",
    ),
    "event with NaN": (
        ["invoke", "Hello", "--event", '{"a": NaN}'],
        '--event {"a": NaN}: not valid JSON',
        "NaN is not a JSON number",
        "pass JSON, @FILE with a JSON file, or - for stdin",
    ),
}


@pytest.mark.parametrize(("command", "what", "why", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_a_usage_error_is_three_lines_and_exit_code_2(
    shell: Shell, command: list[str], what: str, why: str, remedy: str
) -> None:
    code, out, err = shell.run(*command)
    assert (code, out) == (ExitCode.USAGE, "")
    first, second, third = err.splitlines()[-3:]
    assert first.startswith("error: ")
    assert first.endswith(what)
    assert second.startswith("  why: ")
    assert why in second
    assert third == f"  do:  {remedy}"


@pytest.mark.parametrize(
    "command", ["plan", "lint", "up", "status", "verify", "baseline", "dev", "deploy --local"]
)
def test_a_command_in_another_folder_leaves_nothing(shell: Shell, command: str) -> None:
    """A folder `.blocks` would make it the folder of a project for all commands below it."""
    (shell.folder / "cdk.json").unlink()
    code, _, err = shell.run(*command.split())
    assert code == ExitCode.USAGE
    assert "run the command in the folder of the app" in err.splitlines()[-1]
    assert not [*shell.folder.iterdir()]


@pytest.mark.parametrize(
    ("program", "typed", "offered"),
    [
        ("blocks", "blocks sta", "status"),
        ("blocks", "blocks up --da", "--database"),
        ("local-dsql", "local-dsql st", "stop"),
    ],
)
def test_a_shell_can_complete(program: str, typed: str, offered: str) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    asked = {f"_{program.replace('-', '_').upper()}_COMPLETE": "bash_complete"}
    ran = subprocess.run(
        [Path(sys.executable).parent / program],
        env=os.environ | words | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"plain,{offered}" in ran.stdout.splitlines()


EVENTS: dict[str, tuple[str, str, Json]] = {
    "text": ('{"n": 1}', "", {"n": 1}),
    "file": ("@event.json", "", {"from": "file"}),
    "standard input": ("-", '{"from": "stdin"}', {"from": "stdin"}),
}


@pytest.mark.parametrize(("argument", "stdin", "expected"), EVENTS.values(), ids=EVENTS)
def test_sources_of_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, stdin: str, expected: Json
) -> None:
    import io

    from blocks_cli.commands.invoke import read_event

    (tmp_path / "event.json").write_text('{"from": "file"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
    assert read_event(argument) == expected


def test_a_missing_event_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from blocks_cli.commands.invoke import read_event

    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=r"--event @nosuch\.json: the file cannot be read") as missing:
        read_event("@nosuch.json")
    assert "No such file" in missing.value.why


APP = """
import json, os, pathlib
print("the app speaks")
out = pathlib.Path(os.environ["CDK_OUTDIR"])
context = json.loads(os.environ["CDK_CONTEXT_JSON"])
stack = {"type": "aws:cloudformation:stack", "environment": "aws://unknown-account/unknown-region",
         "properties": {"templateFile": "S.json"}}
(out / "manifest.json").write_text(json.dumps({"version": "1", "artifacts": {"S": stack}}))
values = {"own": context["own"], "paths": str(context["aws:cdk:enable-path-metadata"]),
          "account": os.environ["CDK_DEFAULT_ACCOUNT"], "region": os.environ["CDK_DEFAULT_REGION"],
          "stack": {"Fn::Sub": "${AWS::Region}"}}
(out / "S.json").write_text(json.dumps({"Outputs": {k: {"Value": v} for k, v in values.items()}}))
"""


def test_an_app_runs_as_under_the_cdk_command_line(shell: Shell) -> None:
    (shell.folder / "app.py").write_text(APP)
    settings = {"app": "python app.py", "context": {"own": "context"}}
    (shell.folder / "cdk.json").write_text(json.dumps(settings))
    code, out, _ = shell.run("deploy", "--local", "--region", "eu-west-1")
    assert code == ExitCode.OK
    assert out.splitlines() == [
        "S.own = context",
        "S.paths = True",
        "S.account = 000000000000",
        "S.region = eu-west-1",
        "S.stack = eu-west-1",
    ], "data only: what the app prints goes to stderr"


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C while the handler of a custom resource sleeps, with a running cluster."""
    sample_app = SampleApp(tmp_path / "journal", cluster=True, do="wait")
    synthesize(sample_app, tmp_path / "cdk.out")
    command = [sys.executable, "-m", "blocks_cli.main", "deploy", "--local", "--assembly", "cdk.out"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as deploying:
        assert deploying.stderr
        for line in deploying.stderr:
            if line == b"[Handler] Create\n":
                break
        assert len(processes_of(tmp_path)) > 3, "the deployer, the handler, the cluster"
        deploying.send_signal(signal.SIGINT)
        last = deploying.stderr.read().splitlines()[-1]
    assert (deploying.returncode, last) == (ExitCode.INTERRUPTED, b"interrupted")
    wait_until(lambda: not processes_of(tmp_path), 10)
    assert not list((tmp_path / ".blocks" / "tmp").iterdir())


def test_exit_codes_are_documented_where_users_look(shell: Shell) -> None:
    code, out, _ = shell.run("--help")
    assert code == ExitCode.OK
    for exit_code in ExitCode:
        assert f"  {exit_code.value}  {exit_code.meaning}\n" in out


def test_the_command_line_does_not_import_the_cdk() -> None:
    """Importing the CDK takes a second and a Node process; the assembly is read as files."""
    code = "import sys, blocks_cli.main; print({'aws_cdk', 'jsii', 'boto3'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    asked = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert asked.stdout == b"set()\n"
