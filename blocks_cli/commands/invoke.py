"""`blocks invoke`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json, local
from blocks_cli.deploy_report import ConsoleReport
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from blocks_cli.json_value import parse
from blocks_cli.lambda_.remedies import remedy
from blocks_cli.local import LocalDeployment
from blocks_cli.workspace import Workspace, project_root
from blocks_runtime.shared.regular_files import read_regular
from blocks_settings import STACK, Settings
from blocks_settings.value import WRITTEN

if TYPE_CHECKING:
    from blocks_cli.json_value import Json
    from blocks_cli.local import InvocationResult


@click.command()
@local
@click.argument("function")
@click.option("--event", "-e", default="{}", metavar="JSON|@FILE|-", help="The event (default: {}).")
@click.option("--stack", help="Search only this stack (default: that of the settings, else all).")
@as_json
@click.pass_context
def invoke(
    context: click.Context, local: bool, function: str, event: str, stack: str | None, as_json: bool
) -> None:
    """Invoke a deployed function and print what it returns.

    \b
      blocks invoke Transfer --event '{"amount": 1}'
      blocks invoke BankStack/Transfer --event @event.json

    FUNCTION is a construct path, a construct id, a logical id or the name of the function.
    """
    del local  # accepted for symmetry: functions are always invoked locally
    payload = read_event(event)
    workspace = Workspace(project_root())
    if stack is None and (written := Settings.of(workspace.root).get_from(WRITTEN, STACK)):
        stack = written.value
    console.print_target(workspace.folder)
    report = ConsoleReport()
    with LocalDeployment.open(workspace.root, report=report) as deployment:
        path = deployment.path_of(function, stack=stack)
        result = deployment.invoke(function, payload, stack=stack)
    console.print_json(_summary(result) if as_json else _without_trace(result))
    if result.failed:
        report.conclude(path)  # the differences from AWS may be the cause
        console.print_message(f"failed   {result.error_type}: {result.error_message}", "red")
        if what_to_do := remedy(result):
            console.print_message(f"do       {what_to_do}")
        context.exit(ExitCode.INVOCATION_FAILED)
    console.print_message(f"ok       {result.duration * 1000:.0f} ms   request {result.request_id}", "green")


def _without_trace(result: InvocationResult) -> Json:
    """Return the payload; the trace of an error is in the output of the function, which is printed already."""
    if not result.failed or not isinstance(result.payload, dict):
        return result.payload
    return {name: value for name, value in result.payload.items() if name != "stackTrace"}


def read_event(event: str) -> Json:
    """Return the event of the command line: JSON, `@` and a file name, or `-` for standard input.

    Raises:
        CommandError: the file cannot be read, or the text is not JSON.
    """
    try:
        if event == "-":
            return parse(sys.stdin.read())
        if event.startswith("@"):
            return parse(read_regular(Path(event[1:]), allow_pipe=True))
        return parse(event)
    except OSError as error:
        raise CommandError(
            f"--event {event}: the file cannot be read",
            error.strerror or str(error),
            "correct the path, which is relative to the working directory",
        ) from None
    except ValueError as error:
        raise CommandError(
            f"--event {event}: not valid JSON",
            str(error),
            "pass JSON, @FILE with a JSON file, or - for stdin",
        ) from None


def _summary(result: InvocationResult) -> Json:
    return {
        "payload": result.payload,
        "errorType": result.error_type,
        "errorMessage": result.error_message,
        "requestId": result.request_id,
        "durationMs": round(result.duration * 1000, 3),
        "coldStart": result.cold,
        "logTail": result.log_tail,
    }
