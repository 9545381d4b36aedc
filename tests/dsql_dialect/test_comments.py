"""Comments are scanned in linear time, and the parser's answers stay the same."""

from __future__ import annotations

import random
import time

import pytest

from dsql_dialect import comments, libpg_query
from dsql_dialect.libpg_query import SqlSyntaxError

PIECES = (
    *(b"/*", b"*/", b"/*/*", b"/***/", b"/", b"*", b"+", b"--", b"\n", b" ", b";"),
    *(b"'", b'"', b"\\", b"E'", b"e'\\'", b"n'", b"U&'", b"$$", b"$a$", b"$a", b"a$b$", b"$1"),
    *(b"SELECT 1", b"x", b"1", "é".encode()),
)


def answers(sql: bytes, monkeypatch: pytest.MonkeyPatch, *, blanked: bool) -> list[object]:
    """Return what the parser and the scanner say of a text, with its comments blanked or as it is."""
    monkeypatch.setattr(
        libpg_query, "without_nested_marks", comments.without_nested_marks if blanked else lambda sql: sql
    )
    said: list[object] = []
    for read in (libpg_query.parse, libpg_query.scan):
        try:
            said.append(read(sql))
        except SqlSyntaxError as error:
            said.append((error.message, error.at))
    return said


def test_the_parser_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """For random texts in which comments, strings and dollar quotes contain each other."""
    generator = random.Random(5)
    compared = 0
    while compared < 2000:
        sql = b"".join(generator.choices(PIECES, k=generator.randint(2, 14)))
        if comments.without_nested_marks(sql) == sql:
            continue
        compared += 1
        same = answers(sql, monkeypatch, blanked=True) == answers(sql, monkeypatch, blanked=False)
        assert same, sql


UNCHANGED = [
    b"SELECT 1 /* a */ /* b */",
    b"SELECT '/*/*/*', E'\\'/*/*', $q$/*/*$q$, \"/*/*\" -- /*/*",
    b"SELECT a$q$ /* one */",
]


@pytest.mark.parametrize("sql", UNCHANGED)
def test_texts_that_stay_as_they_are(sql: bytes) -> None:
    assert comments.without_nested_marks(sql) == sql


MANY = 60_000
SLOW = {
    "not closed": b"/*" * MANY,
    "closed": b"/*" * MANY + b"*/" * MANY + b" SELECT 1",
    "stars": b"/*" + b"*" * MANY + b"/ SELECT 1",
    "many comments": b"/*/**/*/" * (MANY // 8) + b" SELECT 1",
}


@pytest.mark.parametrize("sql", SLOW.values(), ids=SLOW)
def test_linear_time(sql: bytes) -> None:
    """60,000 nested comments took minutes; the bound leaves room for a busy machine."""
    began = time.monotonic()
    try:
        libpg_query.parse(sql)
    except SqlSyntaxError as error:
        assert error.message == f'unterminated /* comment at or near "{sql.decode()}"'
    assert time.monotonic() - began < 3
