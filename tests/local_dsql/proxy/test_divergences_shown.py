"""Known differences that no other test shows, each as an application sees it."""

from __future__ import annotations

import os
import secrets
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dsql_dialect.limits import BYTES_PER_KEY, BYTES_PER_VALUE, ROWS_PER_TRANSACTION
from local_dsql.divergences import BY_ID
from local_dsql.proxy import Limits
from tests.local_dsql.proxy.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

AGE = 0.5
"""Age limit of a transaction in seconds."""
ROWS = 2900
"""Rows of 3.3 kB: less than 10 MiB of rows, more with the indexes on a third of each."""
LONG = "(SELECT string_agg(md5(random()::text || g || h), '') FROM generate_series(1, {}) h)"


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS shown_child")
        connection.execute("DROP TABLE IF EXISTS shown")
        connection.execute("CREATE TABLE shown (id int PRIMARY KEY, a text, b text)")
        yield connection


def differs(entry: str) -> None:
    """Cite an entry of the registry."""
    assert entry in BY_ID


def value(connection: psycopg.Connection[Any], sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row[0]


def test_one_of_two_transactions_that_conflict_in_two_rows_commits(
    cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    differs("one-loser")
    admin.execute("INSERT INTO shown VALUES (1), (2)")
    with cluster.connect(autocommit=False) as one, cluster.connect(autocommit=False) as other:
        for first, connection in ((1, one), (2, other)):
            for row in (first, 3 - first):
                connection.execute("UPDATE shown SET a = 'x' WHERE id = %s", (row,))
        one.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            other.commit()


def test_an_index_is_filled_when_its_statement_returns(
    cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    differs("index-filled-by-statement")
    admin.execute("INSERT INTO shown SELECT g, g FROM generate_series(1, 2000) g")
    admin.execute("CREATE INDEX ASYNC shown_a ON shown (a)")
    with cluster.direct() as direct:
        assert value(direct, "SELECT pg_relation_size('shown_a')") > 32_000


def test_a_drop_has_no_job(admin: psycopg.Connection[Any]) -> None:
    differs("no-maintenance-jobs")
    before = value(admin, "SELECT count(*) FROM sys.jobs")
    admin.execute("ANALYZE shown")
    admin.execute("DROP TABLE shown")
    assert value(admin, "SELECT count(*) FROM sys.jobs") == before


def test_index_entries_do_not_count(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    differs("size-of-rows-only")
    for column in "ab":
        admin.execute(f"CREATE INDEX ASYNC ON shown ({column})")
    with cluster.direct() as direct:
        indexes = "SELECT pg_indexes_size('shown')"
        before = value(direct, indexes)
        texts = f"{LONG.format(35)}, {LONG.format(65)}"
        admin.execute(f"INSERT INTO shown SELECT g, {texts} FROM generate_series(1, {ROWS}) g")
        rows = value(direct, "SELECT sum(pg_column_size(a) + pg_column_size(b)) FROM shown")
        limit = Limits().bytes
        assert rows < limit < rows + value(direct, indexes) - before


@pytest.mark.slow
def test_a_statement_that_runs_outlives_the_age_limit() -> None:
    differs("running-statement-outlives-age")
    cluster = Cluster(limits=Limits(transaction_age=AGE))
    try:
        with cluster.connect(autocommit=False) as connection:
            began = time.monotonic()
            rows = connection.execute("SELECT count(*) FROM generate_series(1, 20000000)").fetchall()
            assert rows == [(20_000_000,)]
            assert time.monotonic() - began > AGE
            with pytest.raises(psycopg.Error, match="transaction age limit"):
                connection.execute("SELECT 1")
    finally:
        cluster.close()


def test_for_update_in_a_read_only_transaction(admin: psycopg.Connection[Any]) -> None:
    differs("for-update-in-read-only")
    admin.execute("BEGIN READ ONLY")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        admin.execute("SELECT FROM shown WHERE id = 1 FOR UPDATE")


def test_triggers_of_foreign_keys_cannot_be_disabled(admin: psycopg.Connection[Any]) -> None:
    differs("disable-trigger-all")
    admin.execute("CREATE TABLE shown_child (id int PRIMARY KEY REFERENCES shown)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        admin.execute("ALTER TABLE shown_child DISABLE TRIGGER ALL")
    admin.execute("ALTER TABLE shown_child DISABLE TRIGGER USER")


def test_other_functions_of_sys(admin: psycopg.Connection[Any]) -> None:
    differs("sys-functions-few")
    assert isinstance(value(admin, "SELECT sys.uuid_to_base32_str(gen_random_uuid())"), str)
    assert isinstance(value(admin, f"SELECT sys.base32_str_to_uuid('{'a' * 26}')"), uuid.UUID)
    with pytest.raises(psycopg.errors.UndefinedFunction):
        admin.execute("SELECT sys.txn_id()")


def test_values_that_a_query_computes(admin: psycopg.Connection[Any]) -> None:
    differs("sizes-of-what-is-sent")
    sent = secrets.token_hex(BYTES_PER_VALUE)
    with pytest.raises(psycopg.Error) as refused:
        admin.execute("INSERT INTO shown VALUES (1, %s)", (sent,))
    assert refused.value.sqlstate == "54000"
    admin.execute(f"INSERT INTO shown SELECT g, {LONG.format(70_000)} FROM generate_series(1, 1) g")
    assert value(admin, "SELECT pg_column_size(a) FROM shown") > BYTES_PER_VALUE


def test_a_key_that_is_larger_than_a_cluster_takes(admin: psycopg.Connection[Any]) -> None:
    differs("sizes-of-what-is-sent")
    admin.execute("CREATE INDEX ASYNC ON shown (a)")
    admin.execute("INSERT INTO shown VALUES (1, %s)", (secrets.token_hex(BYTES_PER_KEY // 2 + 1),))
    assert value(admin, "SELECT pg_column_size(a) FROM shown") > BYTES_PER_KEY


def test_pg_index_has_the_keys_of_a_primary_key_alone(admin: psycopg.Connection[Any]) -> None:
    differs("primary-key-in-catalog")
    keys = "SELECT indnatts - indnkeyatts FROM pg_index WHERE indexrelid = 'shown_pkey'::regclass"
    assert value(admin, keys) == 0
    assert value(admin, "SELECT pg_get_indexdef('shown_pkey'::regclass)").endswith(" (id) INCLUDE (a, b)")


def test_texts_of_our_own(cluster: Cluster) -> None:
    differs("texts-unknown")
    with pytest.raises(psycopg.OperationalError, match="SSL is mandatory"):
        cluster.connect(sslmode="disable", sslrootcert="")


def test_a_parameter_that_has_no_effect_takes_any_value(admin: psycopg.Connection[Any]) -> None:
    differs("synchronous-index")
    admin.execute("SET disable_sync_create_index = 'some text'")
    assert value(admin, "SHOW disable_sync_create_index") == "some text"


def test_a_read_that_meets_a_function_made_meanwhile_is_not_counted(
    cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    """PostgreSQL does not run the read, which the proxy has passed on, before the other session has committed."""
    differs("calls-made-meanwhile")
    many = f"INSERT INTO shown SELECT g FROM generate_series(1, {ROWS_PER_TRANSACTION + 1}) g"
    admin.execute(f"CREATE FUNCTION adds() RETURNS int LANGUAGE sql AS '{many} RETURNING 1'")
    admin.execute("CREATE VIEW changing AS SELECT 1 AS x")
    try:
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            admin.execute("SELECT adds()")
        with cluster.connect() as reader, ThreadPoolExecutor(1) as thread:
            pid = value(reader, "SELECT pg_backend_pid()")
            assert value(reader, "SELECT x FROM changing") == 1
            os.kill(pid, signal.SIGSTOP)
            try:
                read = thread.submit(value, reader, "SELECT x FROM changing")
                time.sleep(
                    0.3
                )  # the proxy passes the read on; without it the read is refused, and the test fails
                admin.execute("CREATE OR REPLACE VIEW changing AS SELECT adds() AS x")
            finally:
                os.kill(pid, signal.SIGCONT)
            assert read.result(10) == 1
        assert value(admin, "SELECT count(*) FROM shown") == ROWS_PER_TRANSACTION + 1
    finally:
        admin.execute("DROP VIEW changing")
        admin.execute("DROP FUNCTION adds")
