"""`blocks explain-error`."""

from __future__ import annotations

import click

from blocks_cli import console
from blocks_cli.commands.options import as_json
from blocks_cli.errors import CommandError


@click.command("explain-error")
@click.argument("code")
@as_json
def explain_error(code: str, as_json: bool) -> None:
    """Explain a code of a message: meaning, cause, remedy, and its place in the documentation.

    \b
      blocks explain-error OC000
      blocks explain-error 40001
      blocks explain-error truncate
      blocks explain-error SerializationFailure

    CODE is a conflict code, a SQLSTATE, the rule that a finding has in brackets, the class of an error, or a known
    difference of the local DSQL. Needs no database.
    """
    from blocks_cli.explanations import explanation, nearest

    found = explanation(code)
    if found is None:
        near = nearest(code)
        listed = "docs/errors.md, docs/rules.md and docs/divergences.md list all codes"
        raise CommandError(
            f"{code}: unknown code",
            "it is no conflict code, SQLSTATE, rule, error class or known difference",
            f"did you mean `blocks explain-error {near}`? {listed}" if near else listed,
        )
    if as_json:
        console.print_json(found.json)
    else:
        click.echo(found.text)
