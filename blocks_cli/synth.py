"""Run the CDK app like the cdk command line, without importing the CDK."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from blocks_cli.errors import CommandError
from blocks_cli.file_errors import remove_tree
from blocks_cli.guard import guarded
from blocks_cli.json_value import Json, mapping, parse, text
from blocks_cli.synth_errors import app_error, begins_traceback
from blocks_cli.workspace import Workspace
from blocks_runtime.shared.regular_files import read_regular
from blocks_settings.regions import DEFAULT_REGION
from local_dsql.access import LOCAL_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import FrameType

CLI_CONTEXT: Mapping[str, Json] = {
    "aws:cdk:enable-path-metadata": True,
    "aws:cdk:enable-asset-metadata": True,
    "aws:cdk:bundling-stacks": ["**"],
}
"""Context that the cdk command line adds to that of the app."""

_SIGNALS = ((1.0, signal.SIGTERM), (0.3, signal.SIGKILL))
"""Seconds to wait for the end of an interrupted app, and the signal to send after them."""

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UNFINISHED = ".unfinished-"
"""Part of the name of a folder that an app writes into."""

_DEFAULTS: Mapping[str, str] = {
    # The CDK's template validator takes 8 s of a 12 s synth; `cdk synth` and `cdk deploy` run it anyway.
    "CDK_VALIDATION": "false",
    # jsii warns of Node versions on every start; the version is the user's choice.
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
}
"""Environment variables of the app, unless the user has set them."""


def app_command(root: Path, app: str | None) -> str:
    """Return the shell command that synthesizes the app in `root`: `app`, by default that of `cdk.json`.

    Raises:
        CommandError: `cdk.json` is missing, has no `app` or cannot be read.
    """
    command = app or text(_read(root / "cdk.json").get("app"))
    if not command:
        raise CommandError(
            f"{root / 'cdk.json'}: no app command",
            "the file is missing or has no `app`",
            'run the command in the folder of the app, or pass --app "python app.py"',
        )
    return command


def synthesize(
    root: Path,
    output: Path | None = None,
    region: str = DEFAULT_REGION,
    app: str | None = None,
    *,
    debug: bool = False,
) -> Path:
    """Run the app in `root` and return the folder of the assembly: `output` or `root/.blocks/cdk.out`.

    `app` is a shell command, by default the `app` of `cdk.json`. The app gets the local account and `region` as
    `CDK_DEFAULT_ACCOUNT` and `CDK_DEFAULT_REGION`. Its output goes to our stderr; the traceback of a failed app only
    with `debug`. The app writes into a folder beside `output`, which takes its place at the end: an app that goes on
    after its caller was killed writes into no later assembly. The caller holds the lock of the workspace.

    Raises:
        CommandError: there is no app command, or it failed.
    """
    output = (output or Workspace(root).assembly).resolve()
    command = app_command(root, app)
    for left in output.parent.glob(f"{output.name}{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)  # the app of a killed caller may still write into it
    unfinished = output.with_name(f"{output.name}{_UNFINISHED}{secrets.token_hex(4)}")
    unfinished.mkdir(parents=True)
    try:
        _write_assembly(command, root, _environment(root, unfinished, region), debug=debug)
        if output.exists():
            remove_tree(output)
        unfinished.rename(output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return output


def _write_assembly(command: str, root: Path, environment: Mapping[str, str], *, debug: bool) -> None:
    status, traceback = _run(command, root, environment)
    if status != 0:
        error = _without_node(command, traceback, environment) or app_error(command, status, traceback)
        if debug or error is None:
            sys.stderr.writelines(f"{line}\n" for line in traceback)
            raise _failed(command, status)
        raise error


def _run(command: str, root: Path, environment: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run a shell command; return its status, and its error output from a traceback on. The rest is passed on.

    It runs in its own process group, so that Ctrl-C reaches only us: the app would print a traceback. The group ends
    with us after any signal.
    """
    with (
        _one_interrupt(),
        subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
        ) as app,
        guarded(app, group=True),
    ):
        try:
            traceback = _pass_on(app.stderr or ())
            return app.wait(), traceback
        except BaseException:
            _end(app)
            raise


@contextlib.contextmanager
def _one_interrupt() -> Iterator[None]:
    """Ignore the signals that follow the first one, so that none interrupts the end of the app."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs handlers of signals in the main thread only
        return
    found = {number: signal.getsignal(number) for number in _INTERRUPTS}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in handlers:
            signal.signal(each, signal.SIG_IGN)
        handlers[signal.Signals(number)](number, frame)

    for number in handlers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _pass_on(lines: Iterable[str]) -> list[str]:
    """Print lines up to a traceback, and return the others."""
    rest: list[str] = []
    for line in lines:
        if rest or begins_traceback(line):
            rest.append(line.rstrip("\n"))
        else:
            sys.stderr.write(line)
            sys.stderr.flush()
    return rest


def _end(app: subprocess.Popen[str]) -> None:
    """End the process group of the app; its Node process cleans up and exits once its pipes are closed."""
    app.terminate()
    with contextlib.suppress(ProcessLookupError):
        for timeout, number in _SIGNALS:  # the shell may have ended without its children
            until = time.monotonic() + timeout
            while time.monotonic() < until:
                app.poll()
                os.killpg(app.pid, 0)
                time.sleep(0.02)
            os.killpg(app.pid, number)


def _without_node(
    command: str, traceback: Sequence[str], environment: Mapping[str, str]
) -> CommandError | None:
    """Return the error if Node is missing and the app failed in jsii, or without an exception; else None."""
    is_jsii = not traceback or any("jsii" in line for line in traceback)
    if not is_jsii or shutil.which("node", path=environment["PATH"]) is not None:
        return None
    return CommandError(
        f"synth failed: {command}",
        "the AWS CDK needs Node, and `node` is not on PATH",
        "install Node 22 or later (nodejs.org), then deploy again; nothing was changed",
    )


def _failed(command: str, status: int) -> CommandError:
    return CommandError(
        f"synth failed: {command}",
        f"the app exited with status {status}; see its output above",
        "correct the app, then deploy again; nothing was changed",
    )


def _environment(root: Path, output: Path, region: str) -> dict[str, str]:
    context = {
        **CLI_CONTEXT,
        **mapping(_read(root / "cdk.json").get("context")),
        **_read(root / "cdk.context.json"),
    }
    own = {
        "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_DEFAULT_ACCOUNT": LOCAL_ACCOUNT,
        "CDK_DEFAULT_REGION": region,
        # `python` in the app command is this interpreter, even without an activated virtual environment.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    return {**_DEFAULTS, **os.environ, **own}


def _read(file: Path) -> dict[str, Json]:
    try:
        return mapping(parse(read_regular(file)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(f"{file}: cannot be read", str(error), "correct the file") from None
