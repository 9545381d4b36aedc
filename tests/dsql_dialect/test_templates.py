"""A text is judged in the same way whether or not another that differs in numbers was judged before."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dialect import PROFILES, RULES, parse, templates
from dsql_dialect.profiles import NEWEST
from tests.dsql_dialect.grammar_corpus import CORPUS

NUMBER = re.compile(r"[0-9]+")
BEHIND = " /* a comment, so that the text has no template */"
TEXTS = sorted(
    text
    for text in {
        *CORPUS,
        *(rule.refused for rule in RULES.values()),
        *(rule.accepted for rule in RULES.values()),
    }
    if "\0" not in text  # no comment ends such a text
)

TEMPLATED = {
    "UPDATE a SET v = v + 17 WHERE id = 4;": "UPDATE a SET v = v + 0 WHERE id = 0;",
    "  select * from t1 where id in (1, 2) limit 3": "  select * from t1 where id in (0, 0) limit 0",
    "INSERT INTO a VALUES (1, -2), (3, 4) ; ": "INSERT INTO a VALUES (0, -0), (0, 0) ; ",
    "DELETE FROM a WHERE v > 1.5 AND id = 7": "DELETE FROM a WHERE v > 1.5 AND id = 0",
}
NOT_TEMPLATED = (
    "SELECT 'x1' || 1",
    'SELECT "a 1" + 1 FROM a',
    "SELECT $1 + 1",
    "SELECT $$ 1 $$",
    "SELECT 1 -- 1",
    "SELECT 1 /* 1 */",
    "SELECT 1; SELECT 2",
    "SELECT CAST(1 AS numeric(50))",
    "SELECT v::numeric (50) FROM a",
    "SELECT * FROM f() AS g (v varchar(1000000))",
    "EXPLAIN (ANALYZE 0) SELECT 1",
    "SELECT 1 AS ü",
    "SELECT 1\0",
    "SELECT v FROM a",
    "CREATE TABLE a (v numeric(50))",
)


@pytest.mark.parametrize(("sql", "expected"), TEMPLATED.items())
def test_a_template_has_zeros_for_numbers(sql: str, expected: str) -> None:
    assert templates.template(sql) == expected


@pytest.mark.parametrize("sql", NOT_TEMPLATED)
def test_a_text_without_a_template(sql: str) -> None:
    assert templates.template(sql) is None


@given(st.sampled_from(TEXTS), st.data(), st.sampled_from(PROFILES))
@settings(max_examples=500, deadline=None)
def test_numbers_do_not_change_the_result(sql: str, data: st.DataObject, dialect: object) -> None:
    """The text with a comment behind it has no template, so it is read by itself."""
    for _ in range(2):
        other = NUMBER.sub(lambda _: str(data.draw(st.integers(0, 2_000_000_000))), sql)
        assert parse(other, dialect) == parse(other + BEHIND, dialect)  # type: ignore[arg-type]


@pytest.mark.parametrize("sql", TEMPLATED)
def test_the_text_is_that_of_the_client(sql: str) -> None:
    for number in ("8", "123456789", "0"):
        written = NUMBER.sub(number, sql)
        (only,) = parse(written, NEWEST).statements
        assert only.text == only.backend_sql == written.strip(" ;")
        assert only.position.offset == len(written) - len(written.lstrip())
