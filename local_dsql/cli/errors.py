"""Errors of both command lines: what failed, why, what to do; with `--json` also as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from blocks_runtime.shared.explained_error import ExplainedError
from blocks_settings import SettingsError
from local_dsql.cli.streams import open_standard_streams
from local_dsql.errors import LocalDatabaseError
from local_dsql.exit_codes import ExitCode
from local_dsql.storage.file_remedies import remedy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_CHOICE = re.compile(r"'(?P<given>[^']*)' is not one of ")


class Failure(click.ClickException):
    """A command failed; `code` is its exit code."""

    def __init__(self, error: ExplainedError | str, code: ExitCode = ExitCode.CANNOT_CONNECT) -> None:
        super().__init__(str(error))
        self.code = code
        self.error = error if isinstance(error, ExplainedError) else ExplainedError(*_three(error))


class OutputClosed(Exception):
    """The reader of standard output has closed the pipe, as `head` does."""


def discard_output() -> None:
    """Redirect stdout to /dev/null, so that the interpreter's final flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ExplainedCommand(click.Command):
    """A command that explains its errors."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command and write all of its output.

        Raises:
            OutputClosed: the pipe is closed; click turns an OSError into exit code 1, which has another meaning.
        """
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            raise OutputClosed from None
        return result

    def main(  # type: ignore[override]  # click's parameters have the type Any
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: object,
    ) -> object:
        """Run a command; in standalone mode exit with its exit code."""
        given = sys.argv[1:] if args is None else [*args]
        if not standalone_mode:
            return super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        open_standard_streams()
        name = prog_name or self.name or ""
        try:
            code = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except OutputClosed:
            discard_output()
            sys.exit(ExitCode.OUTPUT_CLOSED)
        except click.exceptions.Abort:
            click.echo("interrupted", err=True)
            sys.exit(ExitCode.INTERRUPTED)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(ExitCode.USAGE)
        except Exception as error:
            exit_with(error, given, command_of(name, given, getattr(self, "commands", ())))
        sys.exit(code if isinstance(code, int) else ExitCode.OK)


class CommandLine(ExplainedCommand, click.Group):
    """A group of commands that explains errors, and suggests names."""

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or refuse an unknown name."""
        name, known = arguments[0], self.list_commands(context)
        if name not in known and not name.startswith("-"):
            raise Failure(unknown_command(context.info_name or "", name, known), ExitCode.USAGE)
        return super().resolve_command(context, arguments)


def command_of(program: str, given: Sequence[str], known: Iterable[str]) -> str:
    """Return the command that was called, as it is written: `local-dsql start`."""
    known = [*known]
    return next((f"{program} {each}" for each in given if each in known), program)


def unknown_command(program: str, name: str, known: Sequence[str]) -> ExplainedError:
    """Return the error for a command that does not exist."""
    near = _similar(name, known)
    return ExplainedError(
        f"unknown command {name}",
        f"the commands are {', '.join(known)}",
        f"did you mean `{program} {near[0]}`?" if near else f"see `{program} --help`",
    )


def usage_error(error: click.ClickException, command: str) -> ExplainedError:
    """Return the error for wrong arguments of a command, with the nearest option or value.

    `command` is named if click does not know which one, such as a command of a group, was called.
    """
    if isinstance(error, click.UsageError) and error.ctx is not None:
        command = error.ctx.command_path
    near = _near(error)
    help = f"see `{command} --help`"
    return ExplainedError(command, _without_hint(error), f"did you mean {near}? {help}" if near else help)


def _near(error: click.ClickException) -> str | None:
    """Return the option or value that is most similar to the given one."""
    if isinstance(error, click.NoSuchOption):
        options = {name.lstrip("-"): name for name in error.possibilities or ()}
        similar = _similar(error.option_name.lstrip("-"), options)
        return options[similar[0]] if similar else None
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    found = _CHOICE.search(error.format_message())
    if not isinstance(kind, click.Choice) or found is None:
        return None
    names = {str(choice).lower(): str(choice) for choice in kind.choices}
    return next((names[each] for each in _similar(found["given"].lower(), names, 0.5)), None)


def _without_hint(error: click.ClickException) -> str:
    return error.message if isinstance(error, click.NoSuchOption) else error.format_message()


def exit_with(error: Exception, given: Sequence[str], command: str) -> NoReturn:
    """Print an error, with `--json` among the arguments also on stdout, and exit with its code."""
    explained, code = _explained(error, command)
    row = {"what": explained.what, "why": explained.why, "remedy": explained.remedy}
    text = json.dumps({"errors": [row], "exitCode": int(code)}, indent=2)
    print_error_with(
        lambda: click.echo(f"error: {explained}", err=True),
        (lambda: click.echo(text)) if "--json" in given else None,
    )
    sys.exit(code)


def print_error_with(print_text: Callable[[], None], print_json: Callable[[], None] | None) -> None:
    """Print an error as text and, unless None is given, as JSON.

    An output that is full or has no reader keeps neither the other one nor the exit code from telling.
    """
    for each in (print_text, print_json):
        if each is not None:
            with contextlib.suppress(OSError):
                each()


def _explained(error: Exception, command: str) -> tuple[ExplainedError, ExitCode]:
    match error:
        case Failure():
            return error.error, error.code
        case SettingsError():
            return error, ExitCode.USAGE
        case LocalDatabaseError():
            return error, ExitCode.CANNOT_CONNECT
        case click.ClickException():
            return usage_error(error, command), ExitCode.USAGE
        case OSError():
            why = error.strerror or str(error)
            what = f"{error.filename or command}: cannot be written or read"
            return ExplainedError(what, why, remedy_of(error)), ExitCode.USAGE
    what = f"{type(error).__name__}: {error}"
    return ExplainedError(what, "internal error", "report it with the command"), ExitCode.INTERNAL_ERROR


def _three(text: str) -> tuple[str, str, str]:
    """Return the parts of an error's text; one without them is its own fault."""
    what, _, rest = text.partition("\n  why: ")
    why, _, remedy = rest.partition("\n  do:  ")
    return what, why or "the command cannot be carried out", remedy or "see --help"


def _similar(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Return the most similar word, if one is similar enough."""
    from difflib import get_close_matches  # needed after a mistake only

    return get_close_matches(word, [*known], 1, cutoff)
