"""Parse the command lines of the pages with the parsers of their programs, without running them."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session
import click
from botocore import xform_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
_SEPARATORS = {"&&", "||", "|", ";", "&"}
_ASSIGNMENT = re.compile(r"\w+=")
_ENTRY_POINTS = {
    "blocks": "blocks_cli.main:cli",
    "local-dsql": "local_dsql.cli.commands:main",
    "bank": "examples.bank.tool.main:cli",
}
_MODULES = {
    "local_dsql": "local_dsql.cli:serve",
    "examples.worldseat": "examples.worldseat.__main__:main",
}
"""Modules that `python -m` runs, and their parsers."""
_GLOBAL_OF_AWS = {"region", "profile", "output", "query", "cli-binary-format"}
_TOKENS_OF_DSQL = {"hostname", "region", "expires-in"}
"""Options of `aws dsql generate-db-connect…-auth-token`, which the AWS CLI has beside the operations of the service."""


class Refused(Exception):
    """A command line that its program does not accept."""


def simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a line, those in `$(…)` first; redirections are left out."""
    while found := _SUBSTITUTION.search(line):
        yield from simple_commands(found[1])
        line = f"{line[: found.start()]}SUBSTITUTED{line[found.end() :]}"
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    tokens = [*lexer]
    while tokens:
        token = tokens.pop(0)
        if token in _SEPARATORS:
            if words:
                yield words
            words = []
        elif token in (">", ">>", "<", ">&"):
            if words and words[-1].isdigit():
                words.pop()
            tokens.pop(0)
        else:
            words.append(token)
    if words:
        yield words


def check(line: str) -> None:
    """Parse a line of a shell.

    Raises:
        Refused: a program does not exist, or does not have an option, a command or an argument of the line.
    """
    for each in simple_commands(line):
        words = [*each]
        while words and _ASSIGNMENT.match(words[0]):
            words.pop(0)
        if words:
            _check_program(words[0].removeprefix(".venv/bin/"), words[1:])


def _check_program(program: str, arguments: list[str]) -> None:
    if program in _ENTRY_POINTS:
        _parse_with_click(_ENTRY_POINTS[program], arguments)
    elif program in _CHECKS:
        _CHECKS[program](arguments)
    else:
        raise Refused(f"no parser for {program}")


def _parse_with_click(place: str, arguments: Sequence[str]) -> None:
    """Parse options and arguments as the program does; files need not exist."""
    module, _, name = place.partition(":")
    command = getattr(importlib.import_module(module), name)
    # With the settings of the command: it keeps its option for help, and other tests print that.
    context = click.Context(command, info_name=name, **command.context_settings)
    rest = [*arguments]
    try:
        while isinstance(command, click.Group):
            options, rest, _ = command.make_parser(context).parse_args(rest)
            if not rest:
                if _ends_early(options):
                    return
                raise Refused(f"{name}: no command")
            found = command.get_command(context, rest[0])
            if found is None:
                raise Refused(f"{name}: no command {rest[0]}")
            command, rest = found, rest[1:]
            context = click.Context(
                command, parent=context, info_name=command.name, **command.context_settings
            )
        _parse_one(command, context, rest)
    except click.ClickException as error:
        raise Refused(error.format_message()) from None


def _ends_early(values: Mapping[str, object]) -> bool:
    """Return whether the help or the version is asked for."""
    return any(
        value is True and name.rpartition("_")[2] in ("help", "version") for name, value in values.items()
    )


def _parse_one(command: click.Command, context: click.Context, arguments: list[str]) -> None:
    values, rest, _ = command.make_parser(context).parse_args(arguments)
    if _ends_early(values):
        return
    if rest:
        raise Refused(f"{command.name}: too many arguments: {rest}")
    for parameter in command.params:
        value = values.get(str(parameter.name))
        if value is None or not isinstance(value, str | list | tuple):
            if parameter.required and value is None:
                raise Refused(f"{command.name}: {parameter.name} is missing")
        elif not isinstance(parameter.type, click.Path):
            parameter.type_cast_value(context, value)


def _make(arguments: Sequence[str]) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)}
    for word in arguments:
        name, assigned, _ = word.partition("=")
        if f"$({name})" not in makefile if assigned else name not in targets:
            raise Refused(f"make: no {word}")


def _aws(arguments: Sequence[str]) -> None:
    """Compare with the models of the services, which the AWS CLI makes its options from."""
    service, operation, *rest = arguments
    options = {word.removeprefix("--").partition("=")[0] for word in rest if word.startswith("--")}
    if service == "dsql" and operation.startswith("generate-db-connect"):
        allowed = _TOKENS_OF_DSQL
    else:
        model = botocore.session.get_session().get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        if operation not in names:
            raise Refused(f"aws {service}: no command {operation}")
        shape = model.operation_model(names[operation]).input_shape
        members = {xform_name(name, "-"): each for name, each in shape.members.items()} if shape else {}
        missing = {xform_name(name, "-") for name in shape.required_members} - options if shape else set()
        if missing:
            raise Refused(f"aws {service} {operation}: {missing} is missing")
        switches = {f"no-{name}" for name, each in members.items() if each.type_name == "boolean"}
        allowed = members.keys() | switches
    if unknown := options - allowed - _GLOBAL_OF_AWS:
        raise Refused(f"aws {service} {operation}: no option {unknown}")


def _pip(arguments: Sequence[str]) -> None:
    """Look at the packages of this project: their extras must exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    command, *requirements = arguments
    if command != "install":
        raise Refused(f"pip {command}")
    for each in requirements:
        if found := re.fullmatch(r"(blocks-dsql|/path/to/this/repository)\[([\w,]+)\]", each):
            if unknown := {*found[2].split(",")} - {*project["optional-dependencies"]}:
                raise Refused(f"pip: no extra {unknown}")
        elif not re.fullmatch(r"[a-z][a-z-]*", each):
            raise Refused(f"pip: {each}")


def _npm(arguments: Sequence[str]) -> None:
    """Look at the packages: they are those of package.json, with the same major version."""
    wanted = json.loads((ROOT / "package.json").read_text("utf-8"))["devDependencies"]
    if [*arguments[:2]] != ["install", "--save-dev"]:
        raise Refused(f"npm {arguments}")
    for each in arguments[2:]:
        name, _, version = each.partition("@")
        if not wanted.get(name, "").lstrip("^~").startswith(f"{version}."):
            raise Refused(f"npm: {each}, but package.json has {wanted.get(name)}")


def _npx(arguments: Sequence[str]) -> None:
    program, command, *rest = arguments
    known = cdk_options()
    if program != "cdk" or command not in known:
        raise Refused(f"npx {program} {command}")
    options = {word.partition("=")[0] for word in rest if word.startswith("-")}
    if unknown := {each for each in options if each.replace("--no-", "--") not in known[command]}:
        raise Refused(f"cdk {command}: no option {unknown}")
    for app in (rest[index + 1] for index, word in enumerate(rest) if word == "--app"):
        check(app)


@functools.cache
def cdk_options() -> dict[str, set[str]]:
    """Return the commands of the CDK's command line with their options, from the table in its package."""
    table = json.loads(
        (ROOT / "node_modules" / "aws-cdk" / "lib" / "cli" / "cli-type-registry.json").read_text("utf-8")
    )
    everywhere = {f"--{name}" for name in table["globalOptions"]}
    return {
        name: everywhere | {f"--{option}" for option in each.get("options", {})}
        for name, each in table["commands"].items()
    }


def _python(arguments: Sequence[str]) -> None:
    if arguments[0] != "-m":
        if not arguments[0].endswith(".py"):
            raise Refused(f"python {arguments[0]}")
        return
    module, *rest = arguments[1:]
    if module in _MODULES:
        _parse_with_click(_MODULES[module], rest)
    elif module == "pytest":
        _pytest(rest)
    elif importlib.util.find_spec(module) is None:
        raise Refused(f"python: no module {module}")


def _pytest(arguments: Sequence[str]) -> None:
    """Look at the paths; the modules must exist after `--pyargs`."""
    for word in arguments:
        if "/" in word and "=" not in word and not (ROOT / word).exists():
            raise Refused(f"pytest: no file {word}")
    if (
        "--pyargs" in arguments
        and importlib.util.find_spec(arguments[arguments.index("--pyargs") + 1]) is None
    ):
        raise Refused(f"pytest: no module in {arguments}")


def _nothing(arguments: Sequence[str]) -> None:
    """Accept a program of the system, whose arguments are files of the reader."""
    del arguments


_CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "make": _make,
    "aws": _aws,
    "pip": _pip,
    "npm": _npm,
    "npx": _npx,
    "python": _python,
    "python3": _python,
    "pytest": _pytest,
    **dict.fromkeys(("export", "eval", "cat", "cd", "mv", ".", "psql", "head", "tail"), _nothing),
    **dict.fromkeys(("pipx", "pre-commit"), _nothing),
}
