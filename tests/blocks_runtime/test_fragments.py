"""Values never become text: templates, nesting, lists, identifiers, and the refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks_runtime import Sql, sql
from blocks_runtime.database.fragments import quote_identifier, quote_literal

PART = sql("a = {a} AND b = {b}", a=1, b=2)

COMPOSED = {
    "no values": (sql("SELECT 1"), "SELECT 1", ()),
    "one value": (sql("SELECT {x}", x=5), "SELECT $1", (5,)),
    "twice the same": (sql("{x} {x}", x=5), "$1 $2", (5, 5)),
    "none is a value": (sql("SELECT {x}", x=None), "SELECT $1", (None,)),
    "a list is one value": (sql("= ANY({x})", x=[1, 2]), "= ANY($1)", ([1, 2],)),
    "text stays a value": (sql("SELECT {x}", x="1; DROP TABLE t"), "SELECT $1", ("1; DROP TABLE t",)),
    "braces": (sql("SELECT '{{\"k\": 1}}', {x}", x=1), "SELECT '{\"k\": 1}', $1", (1,)),
    "percent and dollar": (sql("SELECT '50%', {x}", x=1), "SELECT '50%', $1", (1,)),
    "nested": (sql("WHERE {p} OR c = {c}", p=PART, c=3), "WHERE a = $1 AND b = $2 OR c = $3", (1, 2, 3)),
    "nested after a value": (sql("{c} {p}", p=PART, c=3), "$1 a = $2 AND b = $3", (3, 1, 2)),
    "identifier": (sql("FROM {t}", t=sql.identifier("app", 'o"dd')), 'FROM "app"."o""dd"', ()),
    "join values": (sql("IN ({x})", x=sql.join(", ", [1, 2])), "IN ($1, $2)", (1, 2)),
    "join fragments": (
        sql.join(" AND ", [sql("a = {v}", v=1), sql("b IS NULL")]),
        "a = $1 AND b IS NULL",
        (1,),
    ),
}


@pytest.mark.parametrize(("statement", "text", "values"), COMPOSED.values(), ids=COMPOSED)
def test_composition(statement: Sql, text: str, values: tuple[object, ...]) -> None:
    assert (statement.text, statement.values) == (text, values)


REFUSED = {
    "missing value": ("SELECT {x}", {}, TypeError, "pass x="),
    "unused value": ("SELECT 1", {"x": 1}, TypeError, "never uses"),
    "positional": ("SELECT {}", {}, ValueError, "character 8"),
    "index": ("SELECT {0}", {}, ValueError, "stray brace"),
    "attribute": ("SELECT {x.y}", {"x": 1}, ValueError, "stray brace"),
    "closing only": ("SELECT }", {}, ValueError, "character 8"),
    "never closed": ("SELECT {x", {"x": 1}, ValueError, "stray brace"),
}


@pytest.mark.parametrize(("template", "values", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_refusal(template: str, values: dict[str, object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        sql(template, **values)


def test_template_must_be_text() -> None:
    with pytest.raises(TypeError, match="template as text, not Sql"):
        sql(PART)  # type: ignore[arg-type]


def test_repr_shows_no_values() -> None:
    assert repr(sql("SELECT {x}", x="secret")) == "Sql('SELECT $1', 1 values)"


def test_empty_join_is_refused() -> None:
    with pytest.raises(ValueError, match="no items"):
        sql.join(", ", [])


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 64, "ü" * 32])
def test_impossible_identifier(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        quote_identifier(name)


@pytest.mark.parametrize("text", ["a\0b", "a\\b"])
def test_impossible_literal(text: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        quote_literal(text)


@given(st.text(min_size=1, max_size=15).filter(lambda name: "\0" not in name and len(name.encode()) <= 63))
def test_identifier_survives_quoting(name: str) -> None:
    quoted = quote_identifier(name)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0
    assert quoted[1:-1].replace('""', '"') == name


@given(st.lists(st.one_of(st.integers(), st.text(), st.none())))
def test_values_are_only_ever_bound(values: list[object]) -> None:
    statement = sql("VALUES ({x})", x=sql.join(", ", [*values, 0]))
    assert statement.values == (*values, 0)
    assert statement.text == "VALUES (" + ", ".join(f"${n}" for n in range(1, len(values) + 2)) + ")"
