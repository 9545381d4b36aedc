"""Write the reference pages that come from the code: errors, rules, limits, variables, exit codes, public names.

    python -m tools.reference

The pages are in the repository, so that they can be read there; `tests/test_reference.py` compares them with the code.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from itertools import pairwise
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING

from blocks_cli.explanations import Kind, explanations
from blocks_cli.explanations.explanation import in_markdown
from blocks_settings.keys import KEYS
from local_dsql.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent

_MADE = "<!-- Made by `python -m tools.reference`; change the code, not this page. -->"

_KINDS = {
    Kind.CONFLICT: "A transaction that has lost gets one of these codes at the end of the message.",
    Kind.RUNTIME: "The classes in `blocks_runtime.errors`, and the warnings in `blocks_runtime.warnings`.",
    Kind.SQLSTATE: "The codes that Aurora DSQL, the local DSQL and the migrator answer with.",
    Kind.PROGRAM: "Each text has three parts: the fault, the reason, and the remedy.",
    Kind.SQL: "Statements that Aurora DSQL refuses. `blocks lint`, the synth and the local DSQL apply these rules.",
    Kind.DIVERGENCE: "Tests that show a difference name its entry. *so* is the consequence for an application.",
    Kind.FOLDER: "Faults of files that the migrator cannot run. `blocks lint` and the synth apply these rules.",
}


def errors() -> str:
    """Return the page on error classes, conflict codes and SQLSTATEs."""
    return _codes(
        "Errors",
        "Each message has one of these codes, and each code has an entry. [rules.md](rules.md) has the ids that "
        "`blocks lint` prints in brackets.",
        (Kind.CONFLICT, Kind.RUNTIME, Kind.SQLSTATE, Kind.PROGRAM),
    ).replace(
        f"## {Kind.PROGRAM.value}\n",
        "### Other SQLSTATEs\n\n`blocks explain-error` also knows the other SQLSTATEs of PostgreSQL: their name, and "
        f"the class of the runtime. PostgreSQL's manual lists them in appendix A.\n\n## {Kind.PROGRAM.value}\n",
    )


def rules() -> str:
    """Return the page on the rules of the dialect and of migrations."""
    return _codes(
        "Rules",
        "A finding has the id of its rule in brackets. [dialects](local-dsql.md#dialects-and-limits) says which "
        "dialect a project has; *refused since* and *accepted since* are the days of a change of Aurora DSQL. *source* "
        "is the observation that a rule comes from.",
        (Kind.SQL, Kind.FOLDER),
    )


def divergences() -> str:
    """Return the page on the known differences between the local DSQL and Aurora DSQL."""
    return _codes(
        "Known differences",
        "The local DSQL answers as Aurora DSQL does, except in these cases. "
        "[conformance](local-dsql.md#conformance) has the comparison with recorded answers. "
        "The local DynamoDB has a [list of its own](atomic-table.md#known-differences).",
        (Kind.DIVERGENCE,),
    )


def _codes(title: str, introduction: str, kinds: tuple[Kind, ...]) -> str:
    sections = []
    for kind in kinds:
        entries = [each.markdown for each in explanations() if each.kind is kind]
        sections.append("\n".join([f"## {kind.value}\n\n{_KINDS[kind]}\n", *entries]))
    command = "`blocks explain-error CODE` prints an entry of this page."
    return "\n".join([f"# {title}\n\n{_MADE}\n\n{introduction}\n{command}\n", *sections])


_LIMITS = {
    "Transactions and connections": "runtime/blocks_runtime/limits.py",
    "Rows, values and keys": "dsql_dialect/limits.py",
    "AtomicTable and DynamoDB": "runtime/blocks_runtime/atomic_table/limits.py",
}


def limits() -> str:
    """Return the page on limits."""
    parts = [
        f"# Limits\n\n{_MADE}\n",
        "The limits of Aurora DSQL and DynamoDB that this library checks, or splits its work by. The constants are the "
        "only place in the code that spells these numbers.\n",
    ]
    for title, path in _LIMITS.items():
        module = path.removeprefix("runtime/").removesuffix(".py").replace("/", ".")
        rows = "".join(f"| `{name}` | {value} | {text} |\n" for name, value, text in _constants(path, module))
        source = (inspect.getdoc(importlib.import_module(module)) or "").partition("Source: ")[2]
        cited = source.split(". ")[0]
        parts.append(
            f"## {title}\n\nModule `{module}`. Source: {in_markdown(cited)}.\n\n"
            f"| name | value | meaning |\n|---|---|---|\n{rows}"
        )
    return "\n".join(parts)


def _constants(path: str, module: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and docstring of the constants that a module documents."""
    body = ast.parse((ROOT / path).read_text("utf-8")).body
    values = vars(importlib.import_module(module))
    for statement, text in pairwise(body):
        if not isinstance(statement, ast.Assign) or not isinstance(text, ast.Expr):
            continue
        names = [node.id for node in ast.walk(statement.targets[0]) if isinstance(node, ast.Name)]
        meaning = ast.literal_eval(text.value)
        yield ", ".join(names), ", ".join(f"{values[name]:,}" for name in names), in_markdown(meaning)


_VARIABLES = {
    "Of a function": (
        ("BLOCKS_<NAME>_ENDPOINT", "host name of the cluster; `grant_connect` sets it", "runtime"),
        ("BLOCKS_<NAME>_REGION", "Region that tokens and requests are signed for", "runtime"),
        ("BLOCKS_<NAME>_ROLE", "database role of the login", "runtime"),
        ("BLOCKS_<NAME>_CA", "PEM file of the certificate authority; local clusters only", "runtime"),
        ("BLOCKS_<NAME>_CLUSTER", "identifiers of the clusters of the database, for its ledger", "migrator"),
        ("BLOCKS_<NAME>_TABLE", "name of the DynamoDB table of an `AtomicTable`", "runtime"),
        (
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
            "credentials that sign a login",
            "runtime",
        ),
        (
            "AWS_ENDPOINT_URL_DYNAMODB, AWS_CA_BUNDLE",
            "another endpoint of DynamoDB, and its authority",
            "runtime",
        ),
    ),
    "Of commands and local services": (
        (
            "BLOCKS_CACHE_DIR",
            "folder of downloaded wheels and of an empty data directory; else `blocks-dsql` in `~/.cache`",
            "synth, local database",
        ),
        (
            "BLOCKS_SUSPEND_ALWAYS",
            "`1`: suspend each open transaction after each statement, for tests",
            "local DSQL",
        ),
        (
            "LOCAL_DSQL_POSTGRES_BIN",
            "folder with the programs of PostgreSQL 16, in place of the wheel's",
            "local DSQL",
        ),
        ("NO_COLOR", "set: no colours", "`blocks`"),
    ),
}


def environment() -> str:
    """Return the page on environment variables and exit codes."""
    settings = "".join(f"| `{key.variable}` | {in_markdown(key.help)} | `{key.name}` |\n" for key in KEYS)
    parts = [
        f"# Environment variables and exit codes\n\n{_MADE}\n",
        "`<NAME>` is the id of the database or table in capitals, with `_` for other characters: `my-db` is `MY_DB`.\n",
        f"## Settings\n\nA variable precedes [`[tool.blocks]`](cli.md#settings) of pyproject.toml.\n\n"
        f"| variable | meaning | setting |\n|---|---|---|\n{settings}",
    ]
    for title, variables in _VARIABLES.items():
        rows = "".join(
            f"| {', '.join(f'`{name}`' for name in names.split(', '))} | {meaning} | {reader} |\n"
            for names, meaning, reader in variables
        )
        parts.append(f"## {title}\n\n| variable | meaning | read by |\n|---|---|---|\n{rows}")
    codes = "".join(f"| {code.value} | {in_markdown(code.meaning)} |\n" for code in ExitCode)
    parts.append(
        "## Exit codes\n\n`blocks` and `local-dsql` have the same exit codes.\n\n"
        f"| code | meaning |\n|---|---|\n{codes}"
    )
    return "\n".join(parts)


_PUBLIC = {
    "Constructs": ("blocks", "What a CDK app imports. [construct.md](construct.md) explains them."),
    "Runtime": ("blocks_runtime", "Names that a function imports. [runtime.md](runtime.md) explains them."),
    "Local DSQL": (
        "local_dsql",
        "Names that a test or a script imports. [local-dsql.md](local-dsql.md) explains them.",
    ),
    "Local DynamoDB": ("local_dynamodb", "The same for `AtomicTable`."),
}
_FIXTURES = {
    "local_dsql.pytest_plugin": ("dsql_cluster", "dsql_empty"),
    "blocks_cli.pytest_plugin": ("dsql", "blocks_app"),
    "local_dynamodb.pytest_plugin": ("dynamo",),
}


def api() -> str:
    """Return the page on the public names, with the directives that insert their docstrings on the site."""
    parts = [
        f"# Public names\n\n{_MADE}\n",
        "The tables have the first sentence of each docstring. The documentation site shows signatures, methods and "
        "whole docstrings below each table; here `help(NAME)` does.\n",
    ]
    for title, (package, introduction) in _PUBLIC.items():
        names = sorted(importlib.import_module(package).__all__, key=str.lower)
        parts.append(_table(title, introduction, [(package, name) for name in names]))
    fixtures = [(module, name) for module, names in _FIXTURES.items() for name in names]
    parts.append(
        _table(
            "pytest fixtures",
            "Installed with the extra that has them. [testing.md](testing.md) explains them.",
            fixtures,
        )
    )
    return "\n".join(parts)


def _table(title: str, introduction: str, names: list[tuple[str, str]]) -> str:
    rows, directives = [], []
    for module, name in names:
        found = getattr(importlib.import_module(module), name)
        rows.append(f"| `{name}` | {in_markdown(_sentence(found))} |\n")
        if isinstance(found, GenericAlias):
            continue
        kind = "class" if inspect.isclass(found) else "function"
        members = "\n   :members:" if kind == "class" else ""
        directives.append(f".. auto{kind}:: {module}.{name}{members}\n")
    return (
        f"## {title}\n\n{introduction}\n\n| name | meaning |\n|---|---|\n{''.join(rows)}\n"
        "```{eval-rst}\n" + "\n".join(directives) + "```\n"
    )


def _sentence(found: object) -> str:
    if isinstance(found, GenericAlias):
        return f"The type `{found}`"
    return (inspect.getdoc(found) or "").partition("\n\n")[0].partition(". ")[0].rstrip(".")


PAGES = {
    "docs/errors.md": errors,
    "docs/rules.md": rules,
    "docs/divergences.md": divergences,
    "docs/limits.md": limits,
    "docs/environment.md": environment,
    "docs/api.md": api,
}
"""Each page with the function that writes it."""


def main() -> None:
    """Write all pages."""
    for path, page in PAGES.items():
        (ROOT / path).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
