"""The dialect 2026-09 answers as the recorded cluster did, wherever the statement alone decides."""

from __future__ import annotations

import pytest

from dsql_dialect import TransactionRules, parse, profile
from tests.dsql_dialect import recorded

CLUSTER = profile("2026-09")


def answer(sql: str) -> tuple[str, str] | None:
    """Return the SQLSTATE and message with which the dialect refuses a simple-protocol string, or None."""
    script = parse(sql, CLUSTER)
    refusal = next(iter(script.findings), None) or TransactionRules().first_refusal(script.statements)
    return None if refusal is None else (refusal.sqlstate, refusal.message)


@pytest.mark.parametrize(
    ("sql", "expected"), [*recorded.REFUSED.items(), *recorded.TRANSACTIONS_REFUSED.items()]
)
def test_refuses_as_recorded(sql: str, expected: tuple[str, str]) -> None:
    assert answer(sql) == expected


@pytest.mark.parametrize("sql", [*recorded.ACCEPTED, *recorded.TRANSACTIONS_ACCEPTED])
def test_accepts_as_recorded(sql: str) -> None:
    assert answer(sql) is None


@pytest.mark.parametrize("sql", recorded.LEFT_TO_THE_CATALOG)
def test_leaves_the_catalog_to_the_database(sql: str) -> None:
    assert answer(sql) is None


def test_a_string_of_statements_is_one_transaction_for_each_begin() -> None:
    assert answer("BEGIN; CREATE TABLE a (id int); COMMIT; BEGIN; CREATE TABLE b (id int); COMMIT") is None
