"""The command `blocks`."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from typing import NoReturn

try:
    import click
except ModuleNotFoundError:  # a package for a Lambda function has the program as well
    from local_dsql.errors import missing_extra

    missing_extra("blocks", "cli")

from blocks_cli import console
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode

INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended: 128 and the number of SIGINT."""

OUTPUT_CLOSED = 141
"""What it expects of one whose output nobody reads any more, as of `blocks schema | head`: 128 and SIGPIPE."""


COMMANDS = (
    *("deploy", "invoke", "destroy"),
    *("new", "lint", "plan", "up", "status", "repair", "baseline", "verify", "schema"),
)
"""The commands in the order of the help; each is in the module of its name in `blocks_cli.commands`.

Only the one that runs is imported: a deploy needs much that `blocks status` does without.
"""


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NOT_ALLOWED = {errno.EROFS, errno.EACCES, errno.EPERM}


class _OutputClosed(Exception):
    """Whoever read standard output has gone, as `head` does."""


class _Commands(click.Group):
    """A group that imports a command when it is asked for, and suggests the nearest for an unknown one."""

    def list_commands(self, context: click.Context) -> list[str]:
        del context
        return [*COMMANDS]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        del context
        if name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"blocks_cli.commands.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, context: click.Context) -> object:
        try:
            result: object = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            raise _OutputClosed from None  # an OSError would make click exit with 1, which says something else
        return result

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise _unknown(name)
        return super().resolve_command(context, arguments)


def _unknown(name: str) -> CommandError:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, 1)
    return CommandError(
        f"no command {name}",
        f"the commands are {', '.join(COMMANDS)}",
        f"did you mean `blocks {near[0]}`?" if near else "see `blocks --help`",
    )


_EXIT_CODES = "\n".join(["\b\nExit codes:", *(f"  {code.value}  {code.meaning}" for code in ExitCode)])


@click.group(cls=_Commands, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(None, "-V", "--version", package_name="blocks-dsql", prog_name="blocks")
def cli(debug: bool) -> None:
    """Run an app with Aurora DSQL on this machine, without Docker or an AWS account; migrate its databases.

    \b
      blocks deploy --local
      blocks invoke Transfer --event '{"amount": 1}'
      blocks status
    """
    del debug  # `main` looks for it: errors are handled outside of any command


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(given, prog_name="blocks", standalone_mode=False) or ExitCode.OK
    except click.exceptions.Abort:
        console.print_message("interrupted")
        sys.exit(INTERRUPTED)
    except _OutputClosed:
        _discard_output()
        sys.exit(OUTPUT_CLOSED)
    except click.exceptions.NoArgsIsHelpError as error:
        console.print_message(error.format_message())
        sys.exit(ExitCode.USAGE)
    except Exception as error:
        if "--debug" in given:
            import traceback

            traceback.print_exc()
        sys.exit(_print_error(_as_command_error(error, given), as_json="--json" in given))
    sys.exit(int(code))


def _discard_output() -> None:
    """Let what is still to be written go nowhere; otherwise the interpreter complains at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(error: CommandError, *, as_json: bool) -> int:
    """Write an error for people, for programs too where they were promised JSON, and return the exit code."""
    console.clear()
    console.print_error(error)
    if as_json:
        with contextlib.suppress(BrokenPipeError):
            console.print_error_json(error)
    return error.code


def _as_command_error(error: Exception, given: list[str]) -> CommandError:
    """Return any error of a command line in three parts."""
    from local_dsql.errors import LocalDatabaseError

    match error:
        case CommandError():
            return error
        case LocalDatabaseError():
            return CommandError(error.what, error.why, error.remedy, ExitCode.CANNOT_CONNECT)
        case click.ClickException():
            command = next((f"blocks {each}" for each in given if each in COMMANDS), "blocks")
            return CommandError(command, error.format_message(), f"see `{command} --help`")
        case OSError(errno=number, filename=str(name)) if number in _NO_ROOM | _NOT_ALLOWED:
            return CommandError(
                f"{name}: cannot be written or read",
                error.strerror or "not allowed",
                "give this user the folder and room on its disk, then run the command again",
                ExitCode.MIGRATION_FAILED if number in _NO_ROOM else ExitCode.USAGE,
            )
    return CommandError(
        f"{type(error).__name__}: {error}",
        "a fault of this program",
        "run it with --debug and report it",
        ExitCode.INTERNAL_ERROR,
    )


if __name__ == "__main__":
    main()
