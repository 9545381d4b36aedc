"""Maintenance and DDL beside an open transaction, and before it: rows move, files change, pages are pruned and cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.write_ahead_log.servers import rows

if TYPE_CHECKING:
    from tests.local_dsql.write_ahead_log.watched import Watched

BEFORE = [
    "VACUUM parent, counted, ledger",
    "VACUUM (FREEZE) counted",
    "VACUUM FULL counted",
    "CLUSTER counted USING counted_pkey",
    "TRUNCATE ledger",
    "REINDEX TABLE counted",
    "ALTER TABLE nulls ALTER parent TYPE bigint",
    "ALTER TABLE counted ADD late int DEFAULT 7",
    "CREATE INDEX CONCURRENTLY ON counted (v)",
]
BESIDE = [
    "VACUUM parent, counted, ledger, wide",
    "TRUNCATE nulls",
    "CREATE TABLE another (i int)",
    "CHECKPOINT",
]
WORK = (
    "UPDATE counted SET v = v + 1 WHERE id < 9",
    "DELETE FROM counted WHERE id = 11",
    "INSERT INTO ledger SELECT i, 'x' FROM generate_series(1, 500) i",
    "DELETE FROM parent WHERE id = 1",
)


@pytest.mark.parametrize("statement", BEFORE)
def test_before_a_transaction(fresh: Watched, statement: str) -> None:
    fresh.own.execute(
        "INSERT INTO ledger SELECT i, 'x' FROM generate_series(1, 500) i; DELETE FROM counted WHERE id = 3"
    )
    fresh.control.execute(statement.encode())
    fresh.begin()
    for one in WORK:
        fresh.own.execute(one.encode())
    assert fresh.check() > 3
    fresh.end()


@pytest.mark.parametrize("statement", BESIDE)
def test_beside_a_transaction(fresh: Watched, statement: str) -> None:
    fresh.own.execute("INSERT INTO ledger SELECT i, 'x' FROM generate_series(1, 500) i")
    fresh.begin()
    for one in WORK[:2]:
        fresh.own.execute(one.encode())
    fresh.control.execute(
        "INSERT INTO ledger SELECT i, 'y' FROM generate_series(1, 5000) i; DELETE FROM ledger WHERE what = 'y'"
    )
    fresh.control.execute(statement.encode())
    if not statement.startswith("TRUNCATE"):
        fresh.own.execute(WORK[2].encode())
    assert fresh.check(locks=not statement.startswith("TRUNCATE")) >= 1
    fresh.end()


def test_a_table_made_filled_and_truncated_at_once(fresh: Watched) -> None:
    """TRUNCATE cuts the file of a table that the same transaction has made: its rows are gone without a record each."""
    fresh.begin()
    fresh.own.execute(
        "CREATE TABLE made (i int, tag uuid); INSERT INTO made SELECT i FROM generate_series(1, 5) i"
    )
    ((file,),) = rows(fresh.own, "SELECT pg_relation_filenode('made')::int8")
    assert len(fresh.changes()[file].inserts) == 5
    fresh.own.execute("TRUNCATE made; INSERT INTO made VALUES (9)")
    assert len(fresh.changes()[file].inserts) == 1
    fresh.end()


def test_a_table_that_is_rewritten_has_another_file(fresh: Watched) -> None:
    fresh.begin()
    before = rows(fresh.own, "SELECT pg_relation_filenode('counted')::int8")
    fresh.own.execute("TRUNCATE counted")
    ((file,),) = rows(fresh.own, "SELECT pg_relation_filenode('counted')::int8")
    assert before != [(file,)]
    fresh.own.execute("INSERT INTO counted (v) VALUES (1)")
    assert len(fresh.changes()[file].inserts) == 1
    fresh.end()
