"""The command `blocks`."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

try:
    import click
except ModuleNotFoundError:  # the bare install, as in a Lambda function, has this program too
    from local_dsql.errors import missing_extra

    missing_extra("blocks", "cli")

from blocks_cli import console
from blocks_cli.error_conversion import as_command_error
from blocks_cli.errors import CommandError
from blocks_cli.exit_codes import ExitCode
from local_dsql.cli.errors import (
    OutputClosed,
    command_of,
    discard_output,
    print_error_with,
    unknown_command,
    usage_error,
)
from local_dsql.cli.streams import open_standard_streams

COMMANDS = (
    *("init", "dev", "deploy", "invoke", "logs", "destroy"),
    *("new", "lint", "plan", "up", "status", "repair", "baseline", "verify", "schema", "config", "clean"),
    *("load", "dump", "explain", "explain-error", "cost", "dialect", "acceptance"),
)
"""The commands in the order of the help; each is in its own module of `blocks_cli.commands`.

Only the module of the called command is imported: a deploy needs many modules that `blocks status` does not.
"""


class _Commands(click.Group):
    """A group that imports commands lazily, and suggests the nearest name for an unknown one."""

    def list_commands(self, context: click.Context) -> list[str]:
        del context
        return [*COMMANDS]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        del context
        if name not in COMMANDS:
            return None
        module = name.replace("-", "_")
        command = getattr(importlib.import_module(f"blocks_cli.commands.{module}"), module)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, context: click.Context) -> object:
        try:
            result: object = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            raise OutputClosed from None  # click turns an OSError into exit code 1, which has another meaning
        return result

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if name not in COMMANDS and not name.startswith("-"):
            found = unknown_command("blocks", name, COMMANDS)
            raise CommandError(found.what, found.why, found.remedy)
        return super().resolve_command(context, arguments)


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
    del debug  # `main` handles errors, and reads this option itself


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its exit code."""
    open_standard_streams()
    console.escape_names()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(given, prog_name="blocks", standalone_mode=False) or ExitCode.OK
    except click.exceptions.Abort:
        console.print_message("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
    except OutputClosed:
        discard_output()
        sys.exit(ExitCode.OUTPUT_CLOSED)
    except click.exceptions.NoArgsIsHelpError as error:
        console.print_message(error.format_message())
        sys.exit(ExitCode.USAGE)
    except Exception as error:
        if "--debug" in given:
            import traceback

            traceback.print_exc()
        sys.exit(_print_error(_as_command_error(error, given), as_json="--json" in given))
    sys.exit(int(code))


def _print_error(error: CommandError, *, as_json: bool) -> int:
    """Print an error on stderr, with `--json` also on stdout, and return the exit code."""

    def print_text() -> None:
        console.clear()
        console.print_error(error)

    print_error_with(print_text, (lambda: console.print_error_json(error)) if as_json else None)
    return error.code


def _as_command_error(error: Exception, given: list[str]) -> CommandError:
    """Convert any exception to a CommandError."""
    if isinstance(error, click.ClickException):
        found = usage_error(error, command_of("blocks", given, COMMANDS))
        return CommandError(found.what, found.why, found.remedy)
    return as_command_error(error)


if __name__ == "__main__":
    main()
