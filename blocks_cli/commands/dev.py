"""`blocks dev`."""

from __future__ import annotations

import functools
import signal
import threading
from typing import TYPE_CHECKING

import click

from blocks_cli import console
from blocks_cli.dev.report import DevReport, print_endpoints, print_outcome
from blocks_cli.dev.session import DevSession
from blocks_cli.dev.watch import Watcher
from blocks_cli.error_conversion import as_command_error
from blocks_cli.errors import CommandError
from blocks_cli.region import region_of_stacks
from blocks_cli.synth import app_command, synthesize
from blocks_cli.workspace import Workspace, project_root
from local_dsql.errors import LocalDatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import FrameType

    from blocks_cli.dev.session import Outcome
    from blocks_cli.local.http_endpoints import Served

_NO_APP_CHANGE = ("tests/", "docs/")
_NO_APP_FILES = (".md", ".rst")


@click.command()
@click.option(
    "--app", metavar="COMMAND", help="Command that synthesizes the app (default: `app` of cdk.json)."
)
@click.option(
    "--region",
    help="Region of stacks without one (default: AWS_REGION, else that of the settings).",
)
def dev(app: str | None, region: str | None) -> None:
    """Deploy the app on this machine, then each change of it; serve its function URLs and HTTP APIs.

    \b
      blocks dev

    A changed handler or migration is deployed without a synth. After an error the last good version is served. The
    output of all functions is one stream. Ctrl-C ends the command and all that it has started.
    """
    workspace = Workspace(project_root())
    console.print_target(workspace.folder)
    app_command(workspace.root, app)  # without one, no change could ever be deployed
    where = region_of_stacks(region, workspace)
    watcher, report = Watcher(workspace.root), DevReport()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with DevSession(
            workspace.root, report, lambda: synthesize(workspace.root, workspace.assembly, where, app), where
        ) as session:
            try:
                _serve(session, watcher, report)
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave anything behind
    except KeyboardInterrupt:
        console.clear()
        console.print_message("stopped")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _serve(session: DevSession, watcher: Watcher, report: DevReport) -> None:
    served: list[Served] = []
    _attempt(session.deploy, ())
    report.steps, report.handlers = False, session.handlers()
    report.conclude()
    threading.Thread(target=session.warm_up, daemon=True).start()
    served = _show(session, served)
    console.print_message("ready    each saved change is deployed; Ctrl-C ends", "green")
    for files in watcher.groups():
        if not files:
            _attempt(functools.partial(_maintain, session), ())
        elif relevant := [each for each in files if _may_matter(each)]:
            _attempt(functools.partial(session.change, relevant), relevant)
            served = _show(session, served)


def _show(session: DevSession, before: list[Served]) -> list[Served]:
    """Print the URLs that are new."""
    served = session.endpoints()
    print_endpoints([each for each in served if each not in before])
    return served


def _attempt(update: Callable[[], Outcome | None], files: Collection[str]) -> None:
    """Run an update and print its outcome or its error."""
    try:
        outcome = update()
    except (CommandError, LocalDatabaseError, OSError) as error:
        console.clear()
        console.print_error(as_command_error(error))
        return
    if outcome is not None and files:
        print_outcome(outcome, files)


def _maintain(session: DevSession) -> None:
    for name in session.maintain():
        console.print_message(f"started  the database {name} again: its server had ended", "yellow")


def _may_matter(file: str) -> bool:
    return not (file.startswith(_NO_APP_CHANGE) or file.endswith(_NO_APP_FILES))
