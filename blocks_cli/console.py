"""Output of the command line: data on stdout, messages on stderr."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from blocks_cli.errors import CommandError
    from blocks_cli.json_value import Json


def escape_names() -> None:
    """Print on stdout as on stderr what the encoding lacks: the bytes of a name that are no UTF-8 as their escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def is_terminal() -> bool:
    """Return whether stderr is a terminal."""
    return sys.stderr.isatty()


def print_message(text: str, colour: str | None = None) -> None:
    """Print a message on stderr; coloured on a terminal, unless `NO_COLOR` is set."""
    plain = colour is None or "NO_COLOR" in os.environ or not is_terminal()
    click.echo(text if plain else click.style(text, fg=colour), err=True)


def print_prefixed(name: str, line: str, colour: str) -> None:
    """Print a line of a function's output on stderr, with its name in a colour."""
    plain = "NO_COLOR" in os.environ or not is_terminal()
    prefix = f"[{name}]" if plain else click.style(f"[{name}]", fg=colour)
    sys.stderr.write(f"{prefix} {line}\n")


def print_json(value: Json) -> None:
    """Print JSON on stdout, as UTF-8."""
    _echo_utf8(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: Json) -> None:
    """Print JSON on one line of stdout, as UTF-8."""
    _echo_utf8(json.dumps(value, ensure_ascii=False))


def _echo_utf8(text: str) -> None:
    """Print a text whatever the encoding of stdout is; half of a surrogate pair is printed as its JSON escape."""
    encoded = text.encode("utf-8", "backslashreplace")
    click.echo(encoded if hasattr(sys.stdout, "buffer") else encoded.decode())


def print_target(place: Path) -> None:
    """Print the local folder that the command works on."""
    print_message(f"target   local   {display_path(place)}")


def display_path(place: Path) -> str:
    """Return a path relative to the current folder if it is below it."""
    return str(place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place)


def progress(text: str) -> None:
    """Show progress, on a terminal only; `clear` removes it."""
    if is_terminal():
        click.echo(text, err=True, nl=False)


def clear() -> None:
    """Remove the output of `progress`."""
    progress("\r\x1b[2K")


def print_error(error: CommandError) -> None:
    """Print an error, after the errors found with it: what failed, why, what to do."""
    for each in (*error.before, error):
        print_message(f"error: {each.what}", "red")
        print_message(_indented(f"  why: {each.why}"))
        print_message(_indented(f"  do:  {each.remedy}"))


def print_error_json(error: CommandError) -> None:
    """Print an error, after the errors found with it, as JSON."""
    rows: Json = [
        {"what": each.what, "why": each.why, "remedy": each.remedy} for each in (*error.before, error)
    ]
    print_json({"errors": rows, "exitCode": int(error.code)})


def _indented(text: str) -> str:
    """Indent the second and further lines of a text like the first."""
    return text.replace("\n", "\n       ")
