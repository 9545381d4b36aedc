"""The dialects 2026-09 and 2026-11 differ in the answers that were seen to differ."""

from __future__ import annotations

import pytest

from dsql_dialect import parse, profile
from tests.dsql_dialect.dated_answers import ACCEPTED_BY_BOTH, CASES, LEFT_TO_THE_DATABASE, Answer, Dated

BY_TEXT = [case for case in CASES if not any(part in case.sql for part in LEFT_TO_THE_DATABASE)]


def answer(sql: str, dialect: str) -> Answer:
    found = parse(sql, profile(dialect)).findings
    return (found[0].sqlstate, found[0].message, found[0].detail) if found else None


@pytest.mark.parametrize("case", BY_TEXT, ids=lambda case: case.sql)
def test_each_dialect_has_its_answer(case: Dated) -> None:
    assert answer(case.sql, "2026-09") == case.september
    assert answer(case.sql, "2026-11") == case.november


@pytest.mark.parametrize("sql", ACCEPTED_BY_BOTH)
def test_what_is_close_is_accepted(sql: str) -> None:
    assert answer(sql, "2026-09") is None
    assert answer(sql, "2026-11") is None
