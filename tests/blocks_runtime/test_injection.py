"""Fuzzing on the local database: values round-trip, and no value changes the text of a statement."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blocks_runtime import DatabaseError, DistributedDatabase, Sql, sql
from tests.blocks_runtime.conftest import function_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

    from local_dsql import LocalCluster

ATTACKS = [
    *("'", "''", '"', "\\'", "\\", "'; DROP TABLE items; --", "' OR '1'='1", "x') --", "/*", "*/", "--", ";"),
    *("$1", "$$", "$a$", "{x}", "{{", "}", "%s", "%%", "E'\\''", "U&'\\0027'", "\n", "\r\n", "\t", "\x01"),
    *("1; SELECT pg_sleep(10)", "ʼ", "＇", "’", "\ufeff", "\u202e", "𝄞", "NULL", "null", "{1,2}", "(1,2)"),
    *('{"a": 1}', "\\x00", "1e999", "true"),
]
TEXTS = st.one_of(
    st.sampled_from(ATTACKS),
    st.lists(st.sampled_from(ATTACKS), max_size=4).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda name: len(name.encode()) <= 63
) | st.sampled_from(ATTACKS)
MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))

# A Python value, and the type by which PostgreSQL is to keep it.
TYPED: dict[str, SearchStrategy[object]] = {
    "text": TEXTS,
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "double precision": st.floats(allow_nan=False),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=6),
    "boolean": st.booleans(),
    "bytea": st.binary(max_size=40),
    "uuid": st.uuids(),
    "date": st.dates(),
    "timestamptz": MOMENTS,
    "text[]": st.lists(TEXTS, max_size=5),
    "bigint[]": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5),
}
VALUES = st.sampled_from(sorted(TYPED)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.none() | TYPED[kind])
)

# No example is slow by itself, but the machine may be; the database is the same one for all examples.
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Expression(NamedTuple):
    """A piece of SQL that yields a text, and that text."""

    statement: Sql
    text: str


def _bound(text: str) -> Expression:
    return Expression(sql("{x}::text", x=text), text)


def _put_together(parts: SearchStrategy[Expression]) -> SearchStrategy[Expression]:
    """Concatenate, choose, list: each with the result that Python says it has."""
    pairs = st.tuples(parts, parts)
    return st.one_of(
        pairs.map(
            lambda two: Expression(
                sql("({a} || {b})", a=two[0].statement, b=two[1].statement), two[0].text + two[1].text
            )
        ),
        pairs.map(
            lambda two: Expression(
                sql(
                    "CASE WHEN {a} = {t} THEN {b} ELSE {t} END",
                    a=two[0].statement,
                    t=two[0].text,
                    b=two[1].statement,
                ),
                two[1].text,
            )
        ),
        st.lists(parts, min_size=1, max_size=4).map(
            lambda each: Expression(
                sql("concat({all})", all=sql.join(", ", [one.statement for one in each])),
                "".join(one.text for one in each),
            )
        ),
    )


EXPRESSIONS = st.recursive(TEXTS.map(_bound), _put_together, max_leaves=8)


@pytest.fixture(scope="module")
def db(cluster: LocalCluster) -> Iterator[DistributedDatabase]:
    """One database for all examples, as the app's role."""
    with pytest.MonkeyPatch.context() as patch, DistributedDatabase("main") as database:
        for name, value in function_environment(cluster).items():
            patch.setenv(name, value)
        yield database


@given(VALUES)
@relaxed
def test_values_round_trip(db: DistributedDatabase, value: tuple[str, object]) -> None:
    kind, given_ = value
    found = db.query_one(sql("SELECT {v}::{kind} AS v", v=given_, kind=Sql((kind,))))
    assert found == {"v": given_}
    assert type(found["v"]) in (type(given_), type(None))


@given(EXPRESSIONS)
@relaxed
def test_fragments_keep_their_meaning_for_all_values(db: DistributedDatabase, built: Expression) -> None:
    assert db.query(sql("SELECT {e} AS e", e=built.statement)) == [{"e": built.text}]


@given(EXPRESSIONS)
@relaxed
def test_the_text_of_a_statement_does_not_depend_on_its_values(built: Expression) -> None:
    blank = Sql(built.statement.texts, tuple("" for _ in built.statement.values))
    assert built.statement.text == blank.text
    assert all(
        str(value) not in built.statement.text for value in built.statement.values if len(str(value)) > 12
    )


@given(NAMES, TEXTS)
@relaxed
def test_an_identifier_is_only_an_identifier(db: DistributedDatabase, name: str, value: str) -> None:
    statement = sql(
        "WITH {name:i} AS (SELECT {v}::text AS {name:i}) SELECT {name:i}.{name:i} FROM {name:i}",
        name=name,
        v=value,
    )
    assert db.query(statement) == [{name: value}]


@given(st.lists(TEXTS, max_size=6))
@relaxed
def test_lists(db: DistributedDatabase, texts: list[str]) -> None:
    one_array = sql(
        "SELECT count(*) AS n FROM unnest({texts}::text[]) AS t WHERE t = ANY({texts})", texts=texts
    )
    assert db.query_one(one_array) == {"n": len(texts)}
    if texts:
        listed = sql("SELECT {last}::text IN ({texts}) AS there", last=texts[-1], texts=sql.join(", ", texts))
        assert db.query_one(listed) == {"there": True}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_changes_only_its_own_row(db: DistributedDatabase, attack: str) -> None:
    db.execute(sql("DELETE FROM items"))
    db.execute(sql("INSERT INTO items VALUES (1, 1), (2, 2)"))
    assert db.query(sql("SELECT id FROM items WHERE id::text = {x}", x=attack)) == []
    assert db.execute(sql("DELETE FROM items WHERE id::text = {x}", x=attack)) == 0
    assert db.query_one(sql("SELECT count(*) AS n FROM items")) == {"n": 2}


def test_a_nul_is_refused_with_a_remedy(db: DistributedDatabase) -> None:
    with pytest.raises(DatabaseError, match="NUL"):
        db.query(sql("SELECT {x}::text", x="a\0b"))
