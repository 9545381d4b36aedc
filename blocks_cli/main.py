"""The command `blocks`."""

from __future__ import annotations

import difflib
import importlib.metadata
import sys
import traceback
from typing import NoReturn

import click

from blocks_cli import console
from blocks_cli.commands.deploy import deploy
from blocks_cli.commands.destroy import destroy
from blocks_cli.commands.invoke import invoke
from blocks_cli.exits import ExitCode
from blocks_cli.problem import CommandError
from local_dsql import LocalDatabaseError

INTERRUPTED = 130
"""What a shell expects of a program that Ctrl-C ended: 128 and the number of SIGINT."""


class _Commands(click.Group):
    """A group that suggests the nearest command for an unknown one."""

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.commands, 1)
            raise CommandError(
                f"no command {name}",
                f"the commands are {', '.join(self.commands)}",
                f"did you mean `blocks {near[0]}`?" if near else "see `blocks --help`",
            )
        return super().resolve_command(context, arguments)


_EXIT_CODES = "\n".join(["\b\nExit codes:", *(f"  {code.value}  {code.meaning}" for code in ExitCode)])


@click.group(cls=_Commands, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(importlib.metadata.version("blocks-dsql"), "-V", "--version", prog_name="blocks")
def cli(debug: bool) -> None:
    """Run an app with Aurora DSQL on this machine, without Docker or an AWS account.

    \b
      blocks deploy --local
      blocks invoke Transfer --event '{"amount": 1}'
    """
    del debug  # `main` looks for it: errors are handled outside of any command


cli.add_command(deploy)
cli.add_command(invoke)
cli.add_command(destroy)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(given, prog_name="blocks", standalone_mode=False) or ExitCode.OK
    except click.exceptions.Abort:
        console.say("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if "--debug" in given:
            traceback.print_exc()
        sys.exit(_explain(error))
    sys.exit(int(code))


def _explain(error: Exception) -> int:
    """Print an error in three lines and return the exit code."""
    match error:
        case CommandError():
            console.fail(error)
            return error.code
        case LocalDatabaseError():
            known = CommandError(error.what, error.why, error.remedy, ExitCode.CANNOT_CONNECT)
        case click.ClickException():
            where = (
                f"blocks {error.ctx.info_name}"
                if isinstance(error, click.UsageError) and error.ctx
                else "blocks"
            )
            known = CommandError(where, error.format_message(), "see --help")
        case _:
            known = CommandError(
                f"{type(error).__name__}: {error}",
                "a fault of this program",
                "run it with --debug and report it",
            )
    console.fail(known)
    return known.code


if __name__ == "__main__":
    main()
