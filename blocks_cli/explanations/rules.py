"""The dialect's rules and those on migrations, as explanations."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from blocks_cli.explanations.explanation import Explanation, Kind
from dsql_dialect.migrations.rules import RULES as MIGRATION_RULES
from dsql_dialect.profiles import first_allowing
from dsql_dialect.rule import Scope
from dsql_dialect.rules import INTERNAL_ERROR, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Rule


def rules() -> list[Explanation]:
    """Return the explanations of all rules, sorted by id within their kind."""
    every = sorted((*RULES.values(), INTERNAL_ERROR, *MIGRATION_RULES), key=lambda rule: rule.id)
    return [_explanation(rule) for rule in every]


def _explanation(rule: Rule) -> Explanation:
    return Explanation(
        code=rule.id,
        kind=Kind.FOLDER if rule in MIGRATION_RULES else Kind.SQL,
        meaning=f"{rule.title.rstrip('.')}.",
        cause=_cause(rule),
        remedy=rule.remedy,
        facts=tuple(_facts(rule)),
    )


def _cause(rule: Rule) -> str:
    text = pattern(rule.text)
    if text == "…":
        return "The message names the reason."
    if rule.scope is Scope.FOLDER and not rule.sqlstate:
        return f"{text[0].upper()}{text[1:].rstrip('.')}."
    author = "This program" if rule is INTERNAL_ERROR else "DSQL"
    return f"{author} answers “{text}” (SQLSTATE {rule.sqlstate})."


def pattern(text: str) -> str:
    """Return the text of a rule with `…` for the parts that a statement fills."""
    parts = string.Formatter().parse(text)
    return "".join(literal + ("" if field is None else "…") for literal, field, _, _ in parts)


def _printable(text: str) -> str:
    """Return a text with escapes in place of control characters, such as the zero byte of an example."""
    shown = (
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )
    return "".join(shown)


def _facts(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.remedy_in_migration:
        yield "do in a migration", rule.remedy_in_migration
    if rule.refused:
        yield "refused", _printable(rule.refused)
    if rule.accepted:
        yield "accepted", _printable(rule.accepted)
    if rule.since is not None:
        yield "refused since", rule.since.isoformat()
    if rule.lifted is not None:
        allowing = first_allowing(rule.lifted)
        named = "" if allowing is None else f", so in dialect {allowing.name}"
        yield "accepted since", f"{rule.lifted.isoformat()}{named}"
    if rule.reworded is not None:
        later = rule.reworded
        answer = f"“{pattern(later.text)}” (SQLSTATE {later.sqlstate})"
        yield f"answer since {later.since.isoformat()}", answer
    yield "source", rule.source
