"""No cancellation reaches a handler of query_canceled: the engine's own do not, and requests of clients are ignored."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.plpgsql.conftest import PlpgsqlCluster

BODY = (
    "DO $$ BEGIN UPDATE held SET v = v + 1; PERFORM pg_sleep(0.25);"
    " EXCEPTION WHEN query_canceled THEN RAISE EXCEPTION 'handled'; END $$"
)
"""Longer than the engine lets a statement wait for another one."""


@pytest.fixture
def admin(november: PlpgsqlCluster) -> Iterator[psycopg.Connection[Any]]:
    with november.connect() as connection:
        connection.execute("CREATE TABLE held (id int PRIMARY KEY, v int)")
        connection.execute("INSERT INTO held VALUES (1, 0)")
        yield connection
        connection.execute("DROP TABLE held")


def test_a_body_stopped_for_another_statement_runs_again(
    admin: psycopg.Connection[Any], november: PlpgsqlCluster
) -> None:
    with november.connect(autocommit=False) as holder:
        holder.execute("SELECT 1")
        work = threading.Thread(target=holder.execute, args=(BODY,))
        work.start()
        admin.execute("SELECT pg_sleep(0.05)")
        admin.execute("UPDATE held SET v = v + 10")
        work.join()
        assert holder.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
        with pytest.raises(psycopg.errors.SerializationFailure):
            holder.commit()
    assert admin.execute("SELECT v FROM held").fetchone() == (10,)


def test_a_request_to_cancel_is_ignored(admin: psycopg.Connection[Any]) -> None:
    work = threading.Thread(target=admin.execute, args=(BODY,))
    work.start()
    while work.is_alive():
        admin.cancel_safe()
        work.join(0.05)
    assert admin.execute("SELECT v FROM held").fetchone() == (1,)


def test_postgresql_runs_the_handler(admin: psycopg.Connection[Any], november: PlpgsqlCluster) -> None:
    with november.direct() as postgres:
        postgres.execute("SET statement_timeout = 50")
        with pytest.raises(psycopg.errors.RaiseException, match="handled"):
            postgres.execute(BODY)
        with pytest.raises(psycopg.errors.QueryCanceled):
            postgres.execute(BODY.replace("query_canceled", "OTHERS"))
