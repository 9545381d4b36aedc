"""The public calls, against a local cluster, as the database role of an app."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import TYPE_CHECKING

import psycopg
import pytest

from blocks_runtime import DatabaseError, DistributedDatabase, errors, sql
from blocks_runtime.warnings import SeparateTransactionWarning

if TYPE_CHECKING:
    from pathlib import Path

    from blocks_runtime import Transaction
    from blocks_runtime.database.fragments import Sql
    from local_dsql import LocalCluster

ALL = sql("SELECT id, n FROM items ORDER BY id")
ONE = sql("SELECT n FROM items WHERE id = 1")


def add(amount: int, id: int = 1) -> object:
    return sql("UPDATE items SET n = n + {amount} WHERE id = {id}", amount=amount, id=id)


def test_rows_are_dicts(db: DistributedDatabase) -> None:
    assert db.query(ALL) == [{"id": 1, "n": 100}, {"id": 2, "n": 100}]
    assert db.query(sql("SELECT * FROM items WHERE id = {id}", id=3)) == []


def test_query_one(db: DistributedDatabase) -> None:
    assert db.query_one(ONE) == {"n": 100}
    assert db.query_one(sql("SELECT n FROM items WHERE id = {id}", id=3)) is None


def test_execute_counts_rows(db: DistributedDatabase) -> None:
    assert db.execute(sql("UPDATE items SET n = 1")) == 2
    assert db.execute(sql("DELETE FROM items WHERE id = {id}", id=7)) == 0
    assert db.query(ALL) == [{"id": 1, "n": 1}, {"id": 2, "n": 1}]


def test_lists_and_fragments(db: DistributedDatabase) -> None:
    where = sql("id = ANY({ids})", ids=[1, 2, 3])
    counted = db.query_one(
        sql("SELECT count(*) AS many FROM {t} WHERE {w}", t=sql.identifier("items"), w=where)
    )
    assert counted == {"many": 2}


def test_a_statement_repeated_often_is_prepared_and_survives_rollback(db: DistributedDatabase) -> None:
    """A prepared statement outlives a rollback, in PostgreSQL and in DSQL."""
    for number in range(20):
        assert db.query_one(sql("SELECT {x}::int AS x", x=number)) == {"x": number}

    def fails(tx: Transaction) -> None:
        tx.query(ONE)
        raise RuntimeError("no")

    for _ in range(10):
        with pytest.raises(RuntimeError):
            db.transaction(fails)
    assert db.query_one(sql("SELECT {x}::int AS x", x=1)) == {"x": 1}


def test_transaction_returns_what_the_callback_returns(db: DistributedDatabase) -> None:
    def transfer(tx: Transaction) -> str:
        assert tx.attempt == 1
        tx.execute(sql("UPDATE items SET n = n - 30 WHERE id = 1"))
        tx.execute(sql("UPDATE items SET n = n + 30 WHERE id = 2"))
        assert tx.query_one(ONE) == {"n": 70}
        return "done"

    assert db.transaction(transfer) == "done"
    assert db.query(ALL) == [{"id": 1, "n": 70}, {"id": 2, "n": 130}]


def test_an_exception_rolls_back_and_passes_through(db: DistributedDatabase) -> None:
    def fails(tx: Transaction) -> None:
        tx.execute(sql("UPDATE items SET n = 0"))
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        db.transaction(fails, retry_on_conflict=True)
    assert db.query_one(ONE) == {"n": 100}


def test_a_suppressed_error_prevents_the_commit(db: DistributedDatabase) -> None:
    def swallows(tx: Transaction) -> None:
        tx.execute(sql("UPDATE items SET n = 0 WHERE id = 2"))
        with pytest.raises(errors.UniqueConstraintViolation):
            tx.execute(sql("INSERT INTO items VALUES (1, 1)"))

    with pytest.raises(errors.TransactionAborted, match="COMMIT was answered ROLLBACK") as caught:
        db.transaction(swallows)
    assert isinstance(caught.value.__cause__, errors.UniqueConstraintViolation)
    assert db.query(ALL) == [{"id": 1, "n": 100}, {"id": 2, "n": 100}]


def test_a_transaction_cannot_be_used_after_the_callback(db: DistributedDatabase) -> None:
    kept = db.transaction(lambda tx: tx)
    with pytest.raises(errors.TransactionAborted, match="the transaction is over"):
        kept.query(ONE)


REFUSED = {
    "unique": ("INSERT INTO items VALUES (1, 1)", errors.UniqueConstraintViolation, "23505"),
    "check": ("UPDATE items SET n = -1", errors.CheckViolation, "23514"),
    "not null": ("INSERT INTO items VALUES (5, NULL)", errors.NotNullViolation, "23502"),
    "syntax": ("SELEC 1", errors.QueryFailed, "42601"),
    "unknown table": ("SELECT * FROM nowhere", errors.QueryFailed, "42P01"),
    "no privilege": ("CREATE TABLE mine (id int)", errors.PermissionDenied, "42501"),
    "not in DSQL": ("TRUNCATE items", errors.FeatureNotSupported, "0A000"),
    "too many rows": (
        "INSERT INTO items SELECT n, 1 FROM generate_series(10, 4000) AS n",
        errors.TransactionRowLimitExceeded,
        "54000",
    ),
}


@pytest.mark.parametrize(("text", "kind", "sqlstate"), REFUSED.values(), ids=REFUSED)
def test_refusals(db: DistributedDatabase, text: str, kind: type[DatabaseError], sqlstate: str) -> None:
    statement = sql(text)
    with pytest.raises(kind) as alone:
        db.execute(statement)
    with pytest.raises(kind) as inside:
        db.transaction(lambda tx: tx.execute(statement))
    for caught in (alone, inside):
        assert caught.value.sqlstate == sqlstate
        assert isinstance(caught.value.__cause__, psycopg.Error)
    assert db.query_one(ONE) == {"n": 100}, "the connection works on"


def test_plain_text_is_refused_before_anything_is_sent() -> None:
    nowhere = DistributedDatabase("nowhere")
    with pytest.raises(TypeError, match=r"must be made by sql\(\), not str"):
        nowhere.query("SELECT 1")  # type: ignore[call-overload]


def execute_beside(db: DistributedDatabase, statement: Sql) -> None:
    """Execute a statement in another transaction on purpose."""
    with warnings.catch_warnings(action="ignore", category=SeparateTransactionWarning):
        db.execute(statement)


def conflicting(db: DistributedDatabase, times: int) -> list[int]:
    """Run a transaction that conflicts with another one `times` times; return its attempts."""
    seen: list[int] = []

    def work(tx: Transaction) -> None:
        seen.append(tx.attempt)
        before = tx.query_one(ONE)
        assert before is not None
        if tx.attempt <= times:
            execute_beside(db, sql("UPDATE items SET n = n + 1 WHERE id = 1"))
        tx.execute(sql("UPDATE items SET n = {n} WHERE id = 1", n=before["n"] + 1000))

    db.transaction(work, retry_on_conflict=True, max_retries=3)
    return seen


@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_conflict_is_retried(db: DistributedDatabase, times: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "blocks_runtime"):
        assert conflicting(db, times) == list(range(1, times + 2))
    assert db.query_one(ONE) == {"n": 1100 + times}
    logged = [record for record in caplog.records if record.name == "blocks_runtime"]
    assert [vars(record)["attempts"] for record in logged] == ([times + 1] if times else [])


def test_the_final_error_has_the_number_of_attempts(
    db: DistributedDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(errors.SerializationFailure, match="after 4 attempts") as caught:
        conflicting(db, 9)
    assert (caught.value.attempts, caught.value.sqlstate) == (4, "40001")
    assert str(caught.value) == (
        "change conflicts with another transaction (OC000) (SQLSTATE 40001) after 4 attempts; other "
        "transactions keep changing the same rows: run fewer of them at once, or allow more retries\n"
        "EXPLANATION:  blocks explain-error SerializationFailure"
    )
    (record,) = (record for record in caplog.records if record.name == "blocks_runtime")
    assert "SerializationFailure (SQLSTATE 40001) on attempt 4" in record.getMessage()
    assert db.query_one(ONE) == {"n": 104}


def test_by_default_a_conflict_is_raised(db: DistributedDatabase) -> None:
    def work(tx: Transaction) -> None:
        tx.query(ONE)
        execute_beside(db, sql("UPDATE items SET n = 1 WHERE id = 1"))
        tx.execute(sql("UPDATE items SET n = 2 WHERE id = 1"))

    with pytest.raises(errors.SerializationFailure):
        db.transaction(work)
    assert db.query_one(ONE) == {"n": 1}


@pytest.mark.parametrize(
    "text",
    [
        "SET search_path = elsewhere",
        "-- first\nset session search_path to elsewhere",
        "SELECT set_config('search_path', 'elsewhere', false)",
    ],
)
def test_a_setting_of_the_session_does_not_stay_on_the_pooled_connection(function: None, text: str) -> None:
    with DistributedDatabase("main", max_connections=1) as db:
        before = db.query(sql("SHOW search_path"))
        db.query(sql(text)) if "SELECT" in text else db.execute(sql(text))
        assert db.query(sql("SHOW search_path")) == before
        db.transaction(lambda tx: tx.execute(sql(text)))
        assert db.query(sql("SHOW search_path")) == before
        assert db.stats.connects == 3


def test_a_setting_of_the_transaction_keeps_the_connection(function: None) -> None:
    with DistributedDatabase("main", max_connections=1) as db:
        db.transaction(lambda tx: tx.execute(sql("SET LOCAL search_path = elsewhere")))
        assert db.query_one(sql("SHOW search_path")) == {"search_path": '"$user", public'}
        assert db.stats.connects == 1


def test_threads_share_a_database(db: DistributedDatabase) -> None:
    """Every increment of every thread counts, though all want the same row."""

    def increment() -> None:
        def work(tx: Transaction) -> None:
            row = tx.query_one(ONE)
            assert row is not None
            tx.execute(sql("UPDATE items SET n = {n} WHERE id = 1", n=row["n"] + 1))

        for _ in range(5):
            db.transaction(work, retry_on_conflict=True, max_retries=50)

    threads = [threading.Thread(target=increment) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.query_one(ONE) == {"n": 130}


def test_more_threads_than_connections(function: None) -> None:
    with DistributedDatabase("main", max_connections=2) as db:
        results: list[object] = []
        threads = [threading.Thread(target=lambda: results.append(db.query_one(ONE))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [{"n": 100}] * 12


def test_a_closed_database_reconnects(db: DistributedDatabase) -> None:
    db.query(ONE)
    db.close()
    db.close()
    assert db.query_one(ONE) == {"n": 100}


def test_without_a_mapping_there_is_no_login(
    function: None, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS_MAIN_ROLE", "admin")
    with (
        DistributedDatabase("main") as db,
        pytest.raises(errors.AccessDenied, match="access denied") as caught,
    ):
        db.query(ONE)
    assert "Signature" not in str(caught.value)


def test_a_server_that_is_not_the_clusters_is_refused(
    function: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amazon's roots did not sign the local cluster's certificate, so nothing but the handshake happens."""
    monkeypatch.delenv("BLOCKS_MAIN_CA")
    with (
        DistributedDatabase("main") as db,
        pytest.raises(errors.ConnectionFailed, match="certificate verify failed"),
    ):
        db.query(ONE)


def test_a_laptop_uses_the_projects_local_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cdk.json").touch()
    monkeypatch.chdir(tmp_path)
    with DistributedDatabase("main") as db:
        db.execute(sql("CREATE TABLE t (id int PRIMARY KEY)"))
        assert db.query(sql("SELECT * FROM t")) == []
    assert (tmp_path / ".blocks" / "local" / "main").is_dir()
