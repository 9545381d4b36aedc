"""Statements that differ from one another in whole numbers only: one of them is parsed and judged for all.

A client without prepared statements (psql, pgbench) writes values into the text, so most of its texts are new. For a
SELECT, INSERT, UPDATE or DELETE, no kind, trait, name or refusal depends on a number, except on a type modifier such as
that of `numeric(50)`. A text that may have one has no template.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dsql_dialect.statement import Script

if TYPE_CHECKING:
    from dsql_dialect.statement import Statement

_LONGEST = 2_000
"""Characters of a text that can have a template; longer ones are bulk data."""
_START = re.compile(r"\s*(?:select|insert|update|delete)\b", re.IGNORECASE | re.ASCII)
_NUMBERS_WITHIN = re.compile(r"""['"$\\\0]|--|/\*|;(?!\s*\Z)""")
"""Signs of tokens in which digits are no numbers, and of a second statement."""
_NUMBER = re.compile(r"(?<![\w.])[0-9]{1,9}(?![\w.])", re.ASCII)
"""A number that PostgreSQL's scanner reads as an `int4` constant."""
_IN_PARENTHESES = re.compile(r"\b(\w+)\s*\(\s*[0-9]", re.ASCII)
_NO_TYPES = frozenset({"values", "in"})
"""Reserved words that stand before a list of values: no type has such a name."""


def template(sql: str) -> str | None:
    """Return a text with 0 for each of its numbers; None if it has none, or if its tokens are not certain."""
    if len(sql) > _LONGEST or not sql.isascii() or not _START.match(sql) or _NUMBERS_WITHIN.search(sql):
        return None
    if any(match[1].lower() not in _NO_TYPES for match in _IN_PARENTHESES.finditer(sql)):
        return None
    text, count = _NUMBER.subn("0", sql)
    return text if count else None


def fill(script: Script, written: str, sql: str) -> Script | None:
    """Return the script of a text, given that of its template; None if the two differ in more than their texts."""
    if len(script.statements) != 1:
        return None
    (only,) = script.statements
    if only.findings or only.on_conflict is not None or only.backend_sql != only.text:
        return None
    return Script((_with_text(only, written, sql),))


def _with_text(statement: Statement, written: str, sql: str) -> Statement:
    start = statement.position.offset
    behind = len(written) - start - len(statement.text)
    text = sql[start : len(sql) - behind]
    return replace(statement, text=text, backend_sql=text)
