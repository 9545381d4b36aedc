"""t-strings (Python 3.14), and the common rules of both kinds of templates: placeholders, formats, errors."""

from __future__ import annotations

import sys
import textwrap

import pytest

from blocks_runtime import Sql, sql
from blocks_runtime.database.templates import _known, pattern_of

on_314 = pytest.mark.skipif(sys.version_info < (3, 14), reason="t-strings are new in Python 3.14")

NAMES = {"who": "x' OR 1=1 --", "n": 3, "table": 'o"dd', "part": sql("a = {a}", a=1), "ids": [1, 2]}

# Source of a t-string, the statement, its values. It is evaluated, for older Pythons cannot read it.
SAME_AS = {
    "no values": ('t"SELECT 1"', "SELECT 1", ()),
    "value": ('t"a = {who}"', "a = $1", ("x' OR 1=1 --",)),
    "expression": ('t"a = {n + 1}"', "a = $1", (4,)),
    "list": ('t"a = ANY({ids})"', "a = ANY($1)", ([1, 2],)),
    "none": ('t"a = {None}"', "a = $1", (None,)),
    "identifier": ('t"FROM {table:i}"', 'FROM "o""dd"', ()),
    "qualified": ('t"FROM {("app", table):i}"', 'FROM "app"."o""dd"', ()),
    "fragment": ('t"WHERE {part} AND b = {n}"', "WHERE a = $1 AND b = $2", (1, 3)),
    "fragment by format": ('t"WHERE {part:q}"', "WHERE a = $1", (1,)),
    "nested": ('t"WHERE {t"a = {who}"} AND b = {n}"', "WHERE a = $1 AND b = $2", ("x' OR 1=1 --", 3)),
    "nested deeper": ('t"{t"{t"{n}"}::int"}"', "$1::int", (3,)),
    "join": (
        'sql.join(" OR ", [t"a = {n}", t"b = {who}"])',
        "a = $1 OR b = $2",
        (3, "x' OR 1=1 --"),
    ),
    "joined within": (
        't"IN ({sql.join(", ", ids)})"',
        "IN ($1, $2)",
        (1, 2),
    ),
    "braces": ("t\"'{{}}' {n}\"", "'{}' $1", (3,)),
}


@on_314
@pytest.mark.parametrize(("source", "text", "values"), SAME_AS.values(), ids=SAME_AS)
def test_tstring(source: str, text: str, values: tuple[object, ...]) -> None:
    made = eval(source, {"sql": sql, **NAMES})
    made = made if isinstance(made, Sql) else sql(made)
    assert (made.text, made.values) == (text, values)


@on_314
@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        ('t"a = {who!r}"', TypeError, r"\{who!r\} would make text of a value; write \{who\}"),
        ('t"a = {who:l}"', ValueError, r"unknown format in \{who:l\}; write \{who\} for a value"),
        ('t"a = {n:.2f}"', ValueError, r"unknown format in \{n:.2f\}"),
        ('t"FROM {n:i}"', TypeError, r"\{n:i\} takes a name as text, not int"),
        ('t"WHERE {who:q}"', TypeError, r"\{who:q\} takes what sql\(\) made, not str"),
        ("t\"a = '{who}'\"", ValueError, r"\{who\} stands inside a string literal"),
        ('t"a = $1 + {n}"', ValueError, r"written by hand"),
    ],
)
def test_refused_tstring(source: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        sql(eval(source, dict(NAMES)))


@on_314
def test_a_tstring_takes_no_keyword_values() -> None:
    with pytest.raises(TypeError, match="write them into it: extra"):
        sql(eval('t"SELECT 1"'), extra=1)


@on_314
def test_using_tstrings_imports_nothing() -> None:
    code = """
        import sys
        from blocks_runtime import sql
        bare = set(sys.modules)
        n = 1
        assert sql(t"SELECT {n}").values == (1,)
        assert set(sys.modules) == bare, set(sys.modules) - bare
    """
    exec(compile(textwrap.dedent(code), "tstring", "exec"), {})


SLOTS = {
    "name": (sql("FROM {t:i}", t='o"dd'), 'FROM "o""dd"', ()),
    "qualified name": (sql("FROM {t:i}", t=("app", "t")), 'FROM "app"."t"', ()),
    "fragment": (sql("WHERE {p:q}", p=sql("a = {x}", x=1)), "WHERE a = $1", (1,)),
    "all three": (
        sql("{p:q}, {t:i}, {x}", p=sql("{x}", x=1), t="t", x="v"),
        '$1, "t", $2',
        (1, "v"),
    ),
}


@pytest.mark.parametrize(("statement", "text", "values"), SLOTS.values(), ids=SLOTS)
def test_formats_work_in_plain_templates_too(statement: Sql, text: str, values: tuple[object, ...]) -> None:
    assert (statement.text, statement.values) == (text, values)


REFUSED = {
    "in a literal": ("SELECT '{x}'", r"\{x\} stands inside a string literal, where nothing can be bound"),
    "in a quoted name": ('SELECT "{x}"', r"inside a quoted name.*\{x:i\} for a name"),
    "in a comment": ("SELECT 1 -- {x}", r"inside a -- comment"),
    "in dollars": ("SELECT $$ {x} $$", r"inside a dollar-quoted string"),
    "after a dollar": (
        "SELECT ${x}",
        r"\$\{x\}: the dollar sign would become part of the parameter; write \{x\}",
    ),
    "never closed": ("SELECT {x} || 'a", r"a string literal is never closed; close it within"),
    "conversion": ("SELECT {x!r}", "stray brace"),
    "format": ("SELECT {x:d}", r"unknown format in \{x:d\}"),
    "own parameter": ("SELECT $1, {x}", r"a parameter \$1… written by hand"),
}


@pytest.mark.parametrize(("template", "says"), REFUSED.values(), ids=REFUSED)
def test_refused_template(template: str, says: str) -> None:
    for _ in range(2):  # a template that is refused is not remembered either
        with pytest.raises(ValueError, match=says):
            sql(template, x=1)


APART = {
    "digit after": (sql("SELECT {x}5", x=1), "SELECT $1 5"),
    "name before": (sql("SELECT a{x}", x=1), "SELECT a $1"),
    "letters after": (sql("SELECT {x}AND", x=1), "SELECT $1 AND"),
    "operators stay": (sql("{x}::int+{x}", x=1), "$1::int+$2"),
    "values side by side": (sql("{x}{y}", x=1, y=2), "$1 $2"),
    "a digit joins": (sql.join("5", [1, 2]), "$1 5 $2"),
    "fragment of a digit": (sql("{x}{f}", x=1, f=sql("5")), "$1 5"),
    "a comment swallows nothing": (
        sql("{f} LIMIT {x}", f=sql("SELECT 1 -- one"), x=1),
        "SELECT 1 -- one\n LIMIT $1",
    ),
}


@pytest.mark.parametrize(("statement", "text"), APART.values(), ids=APART)
def test_parameters_are_separated_from_adjacent_text(statement: Sql, text: str) -> None:
    assert statement.text == text


def test_a_separator_must_be_closed() -> None:
    with pytest.raises(ValueError, match="a string literal is never closed"):
        sql.join("'", [1, 2, 3])


def test_more_values_than_the_protocol_allows() -> None:
    with pytest.raises(ValueError, match=r"65536 values in one statement.*= ANY\(\{list\}\)"):
        sql.join(", ", range(65_536))


def test_templates_are_parsed_once_and_the_cache_is_bounded() -> None:
    assert pattern_of("SELECT {x}") is pattern_of("SELECT {x}")
    for number in range(1500):
        pattern_of("SELECT " + "x" * number)
    assert len(_known) <= 1000
