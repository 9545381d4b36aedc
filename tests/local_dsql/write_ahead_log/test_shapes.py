"""Each kind of statement: the log says of it what two snapshots show, and the locks that another session meets."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest

from tests.local_dsql.write_ahead_log.schema import SHAPES

if TYPE_CHECKING:
    from tests.local_dsql.write_ahead_log.watched import Watched


@pytest.mark.parametrize("shape", SHAPES)
def test_the_log_says_what_snapshots_show(watched: Watched, shape: str) -> None:
    watched.begin()
    for statement in SHAPES[shape]:
        watched.own.execute(statement.encode())
    assert watched.check() > 0
    watched.end()


def test_copy(watched: Watched) -> None:
    """COPY inserts many rows by a record, unless a column has a volatile default."""
    watched.begin()
    with watched.own.cursor().copy("COPY parent (id, code, n, tag) FROM STDIN") as copy:
        for i in range(1000, 3000):
            copy.write_row((i, f"copied {i}", i, uuid4()))
    assert watched.check() == 1
    places = {operation.lsn for operation in watched.reader.operations(watched.xids())}
    assert len(places) < 100
    watched.end()


def test_a_failed_transaction_leaves_nothing(watched: Watched) -> None:
    watched.begin()
    watched.own.execute("UPDATE parent SET n = 5")
    top = watched.top()
    assert top is not None
    with pytest.raises(psycopg.errors.UniqueViolation):
        watched.own.execute("INSERT INTO parent VALUES (1)")
    watched.read()
    assert watched.reader.operations([top]) == []
    watched.end()
