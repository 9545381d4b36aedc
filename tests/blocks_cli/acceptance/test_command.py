"""Consent, and the deletion of the stack however a run ends. `make cloudformation` has a real stack."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from blocks_cli.acceptance.stack import NAME, Place
from blocks_cli.commands import acceptance as module
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Place("123456789012", "us-east-1")
REFUSED = CommandError("cdk deploy failed", "no room", "see the events", ExitCode.MIGRATION_FAILED)
STUCK = CommandError(
    "the stack could not be deleted", "a bucket is not empty", "empty it", ExitCode.MIGRATION_FAILED
)


@dataclass
class Stack:
    """A stack that records what is done with it, and whose deploy or deletion fails if told to."""

    fails: BaseException | None = REFUSED
    stuck: CommandError | None = None
    left: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    place: Place = PLACE

    def check(self) -> None:
        self.done.append("check")

    def deploy(self) -> dict[str, str]:
        self.done.append("deploy")
        if self.fails is not None:
            raise self.fails
        return {}

    def delete(self) -> None:
        self.done.append("delete")
        if self.stuck is not None:
            raise self.stuck

    def left_behind(self, outputs: dict[str, str]) -> list[str]:
        del outputs
        return self.left


def run(stack: Stack, *arguments: str, answer: str | None = None, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr(module, "_stack", lambda *_: stack)
    # Through the group: click keeps the first --help that a command object has been asked for.
    return CliRunner().invoke(cli, ["acceptance", *arguments], input=answer, standalone_mode=False)


@pytest.mark.parametrize("answer", [None, "n\n"])
def test_nothing_is_deployed_without_consent(answer: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack()
    result = run(stack, answer=answer, monkeypatch=monkeypatch)
    assert result.exception is not None
    assert stack.done == ["check"]
    assert "account  123456789012" in result.stderr
    assert f"creates  stack {NAME} in us-east-1" in result.stderr


def test_the_price_is_that_of_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(Stack(), "--price", "40000", answer="n\n", monkeypatch=monkeypatch)
    assert "2.000000 USD" in result.stderr


def test_after_a_failed_deploy_the_stack_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, file = Stack(), tmp_path / "report.md"
    result = run(stack, "--yes", "--output", str(file), monkeypatch=monkeypatch)
    assert stack.done == ["check", "deploy", "delete"]
    assert result.return_value == ExitCode.MIGRATION_FAILED
    assert "| cdk deploy failed | no room |" in file.read_text("utf-8")


def test_after_an_interrupt_the_stack_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(fails=KeyboardInterrupt())
    result = run(stack, "--yes", monkeypatch=monkeypatch)
    assert stack.done == ["check", "deploy", "delete"]
    assert result.return_value == ExitCode.INTERRUPTED
    assert "interrupted; the stack is deleted now" in result.stderr


@pytest.mark.parametrize("arguments", [["--yes"], ["--remove"]])
def test_what_is_left_behind_is_an_error(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(Stack(left=["cluster abc: ACTIVE"]), *arguments, monkeypatch=monkeypatch)
    assert isinstance(result.exception, CommandError)
    assert result.exception.why == "cluster abc: ACTIVE"
    assert "blocks acceptance --remove" in result.exception.remedy
    assert result.exception.code == ExitCode.MIGRATION_FAILED


def test_a_stack_that_cannot_be_deleted_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(Stack(stuck=STUCK), "--yes", monkeypatch=monkeypatch)
    assert result.return_value == ExitCode.MIGRATION_FAILED
    assert "a bucket is not empty" in result.stderr


def test_a_profile_comes_before_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.setenv(name, "another")
    module.use_profile("sandbox")
    assert {name: value for name, value in os.environ.items() if value in ("another", "sandbox")} == {
        "AWS_PROFILE": "sandbox"
    }


def test_remove_deletes_and_deploys_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack()
    result = run(stack, "--remove", monkeypatch=monkeypatch)
    assert stack.done == ["delete"]
    assert result.exception is None
