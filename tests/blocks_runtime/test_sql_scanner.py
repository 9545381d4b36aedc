"""The scanner for quotes and comments agrees with PostgreSQL's own scanner."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blocks_runtime.database.sql_scanner import LINE_COMMENT, unclosed
from dsql_dialect import libpg_query
from dsql_dialect.libpg_query import SqlSyntaxError

OPEN = {
    "nothing": ("SELECT 1", None),
    "literal": ("SELECT 'a", "a string literal"),
    "doubled": ("SELECT 'a''", "a string literal"),
    "doubled, closed": ("SELECT 'a'''", None),
    "escaped quote": (r"SELECT E'a\'", "a string literal"),
    "escaped backslash": (r"SELECT e'a\\'", None),
    "a name that ends in e": (r"SELECT nice'a\'", None),
    "backslash in a plain literal": (r"SELECT 'a\'", None),
    "name": ('SELECT "a', "a quoted name"),
    "comment to the end of the line": ("SELECT 1 -- 'a", LINE_COMMENT),
    "comment, then a new line": ("SELECT 1 -- 'a\n", None),
    "comment, then a carriage return": ("SELECT 1 -- 'a\r", None),
    "comment": ("SELECT /* 1", "a /* comment"),
    "comment in a comment": ("SELECT /* /* */ 1", "a /* comment"),
    "dollars": ("SELECT $$ 1", "a dollar-quoted string"),
    "tagged dollars": ("SELECT $a$ 1 $b$", "a dollar-quoted string"),
    "dollars tagged with a quotation mark": ("SELECT $’$ 1", "a dollar-quoted string"),
    "dollars tagged with a digit": ("SELECT $é1$ 1", "a dollar-quoted string"),
    "dollars, closed": ("SELECT $a$ $b$ ' $a$", None),
    "dollars within a name": ("SELECT a$$ FROM b", None),
}


@pytest.mark.parametrize(("text", "inside"), OPEN.values(), ids=OPEN)
def test_unclosed_quotes_and_comments(text: str, inside: str | None) -> None:
    assert unclosed(text) == inside


@pytest.mark.parametrize("text", ["SELECT $1", "$12", "($1)", "'a' $1"])
def test_a_parameter_written_by_hand_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a parameter \$1… written by hand; write \{name\}"):
        unclosed(text)


@pytest.mark.parametrize("text", ["a$1", "'$1'", '"$1"', "-- $1\n", "/* $1 */", "$$ $1 $$"])
def test_other_dollar_signs_are_not_parameters(text: str) -> None:
    assert unclosed(text) is None


PIECES = st.sampled_from(
    [
        "'",
        "''",
        '"',
        "$$",
        "$a$",
        "--",
        "/*",
        "*/",
        "\n",
        "\r",
        "$’$",
        "\\",
        "E'",
        "e",
        "x",
        " ",
        "1",
        "é",
        "$",
        "{",
        ";",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
@example("'\\'")
@example("E'\\'")
@example("E'''\\'")
@example("E''\n'\\'")
@example("E'' -- '\n '\\'")
@settings(max_examples=600, deadline=None)
def test_as_postgresql_scans(text: str) -> None:
    """Unterminated for PostgreSQL is left open for us; where it gives up for another reason, nothing is said."""
    try:
        libpg_query.scan(text.encode())
        unterminated = False
    except SqlSyntaxError as error:
        if "unterminated" not in str(error):
            return
        unterminated = True
    try:
        inside = unclosed(text)
    except ValueError:  # a parameter by hand, tested above
        return
    left = inside not in (None, LINE_COMMENT)
    in_doubt = "--" in text and "e'" in text.lower()  # E'…' that goes on after a comment, or not
    assert left is unterminated or (in_doubt and left)
