"""The database as an application sees it, as the database role of a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from blocks_runtime import DistributedDatabase, DistributedDatabaseErrors, errors, is_blocks_error, sql

if TYPE_CHECKING:
    from blocks_runtime import Transaction

ALL = sql("SELECT id, n FROM items ORDER BY id")


def n(db: DistributedDatabase, id: int) -> Any:
    row = db.query_one(sql("SELECT n FROM items WHERE id = {id}", id=id))
    return row and row["n"]


def move(tx: Transaction, amount: int) -> int:
    """Move from 1 to 2, if there is enough."""
    row = tx.query_one(sql("SELECT n FROM items WHERE id = 1"))
    assert row is not None
    if row["n"] < amount:
        raise ValueError("insufficient funds")
    tx.execute(sql("UPDATE items SET n = n - {amount} WHERE id = 1", amount=amount))
    tx.execute(sql("UPDATE items SET n = n + {amount} WHERE id = 2", amount=amount))
    return 84


def test_e01_to_e07_rows(db: DistributedDatabase) -> None:
    """Insert, find, miss, change, delete, and a list in one parameter. Also A02, A03, A04, G01."""
    assert db.query(ALL) == [{"id": 1, "n": 100}, {"id": 2, "n": 100}]
    assert db.execute(sql("INSERT INTO items VALUES (3, 7)")) == 1
    assert n(db, 3) == 7
    assert n(db, 4) is None
    assert db.execute(sql("UPDATE items SET n = 8 WHERE id = 3")) == 1
    assert n(db, 3) == 8
    assert db.query(sql("SELECT id FROM items WHERE id = ANY({ids}) ORDER BY id", ids=[3, 1, 2])) == [
        {"id": 1},
        {"id": 2},
        {"id": 3},
    ]
    assert db.execute(sql("DELETE FROM items WHERE id = 3")) == 1
    assert n(db, 3) is None


def test_e08_e09_e10_transactions(db: DistributedDatabase) -> None:
    """All or nothing, the callback's own error, the callback's own result. Also E24, E25, A05, A06, G02, G03."""
    assert db.transaction(lambda tx: move(tx, 30)) == 84
    assert db.query(ALL, tuple) == [(1, 70), (2, 130)]
    with pytest.raises(ValueError, match="insufficient funds"):
        db.transaction(lambda tx: move(tx, 71))

    def fails(tx: Transaction) -> None:
        move(tx, 1)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        db.transaction(fails)
    assert db.query(ALL, tuple) == [(1, 70), (2, 130)]


def test_e11_g04_a_conflict_is_raised(db: DistributedDatabase) -> None:
    db.simulate_conflict()
    with pytest.raises(errors.SerializationFailure) as caught:
        db.transaction(lambda tx: move(tx, 1))
    assert is_blocks_error(caught.value, DistributedDatabaseErrors.SerializationFailure)
    assert caught.value.sqlstate == "40001"


def test_e12_g05_a_conflict_is_retried_and_applied_once(db: DistributedDatabase) -> None:
    db.simulate_conflict()
    assert db.transaction(lambda tx: move(tx, 15), retry_on_conflict=True) == 84
    assert db.query(ALL, tuple) == [(1, 85), (2, 115)]


def test_e13_retries_end(db: DistributedDatabase) -> None:
    attempts: list[int] = []

    def work(tx: Transaction) -> None:
        attempts.append(tx.attempt)
        db.simulate_conflict()
        move(tx, 1)

    with pytest.raises(errors.SerializationFailure):
        db.transaction(work, retry_on_conflict=True, max_retries=2)
    assert attempts == [1, 2, 3]


# Locally and on AWS the same: the server's own SQLSTATE, where the list has a local name and another one on AWS.
REFUSED = {
    "E14 G06 A08": ("CREATE TABLE x (i int REFERENCES items(id))", "0A000"),
    "E15": ("CREATE TABLE x (id SERIAL)", "42704"),
    "E16 A09": ("TRUNCATE items", "0A000"),
    "E17": ("CREATE VIEW v AS SELECT 1", "0A000"),
    "E18": ("CREATE TRIGGER x BEFORE INSERT ON items EXECUTE FUNCTION f()", "0A000"),
    "E19": ("CREATE TEMP TABLE x (id int)", "0A000"),
}


@pytest.mark.parametrize(("text", "sqlstate"), REFUSED.values(), ids=REFUSED)
def test_e14_to_e19_what_dsql_has_not(db: DistributedDatabase, text: str, sqlstate: str) -> None:
    with pytest.raises(errors.QueryFailed) as caught:
        db.execute(sql(text))
    assert caught.value.sqlstate == sqlstate
    assert is_blocks_error(caught.value, DistributedDatabaseErrors.QueryFailed)


DDL = {
    "E20": ["INSERT INTO items VALUES (9, 9)", "CREATE TABLE x (id int)"],
    "E21 G07": ["CREATE TABLE x (id int)", "CREATE TABLE y (id int)"],
}


@pytest.mark.parametrize("texts", DDL.values(), ids=DDL)
def test_e20_e21_an_application_changes_no_schema(db: DistributedDatabase, texts: list[str]) -> None:
    def work(tx: Transaction) -> None:
        for text in texts:
            tx.execute(sql(text))

    with pytest.raises(errors.QueryFailed) as caught:
        db.transaction(work)
    assert caught.value.sqlstate in ("42501", "0A000"), "no privilege, or DDL after DML"
    assert n(db, 9) is None


def test_e22_e23_g08_a07_duplicates(db: DistributedDatabase) -> None:
    with pytest.raises(errors.UniqueConstraintViolation) as caught:
        db.execute(sql("INSERT INTO items VALUES (1, 1)"))
    assert is_blocks_error(caught.value, DistributedDatabaseErrors.UniqueConstraintViolation)


def test_e26_many_single_inserts(db: DistributedDatabase) -> None:
    for number in range(10):
        db.execute(sql("INSERT INTO items VALUES ({id}, {n})", id=10 + number, n=number * 100))
    found = db.query(sql("SELECT n FROM items WHERE id >= 10 ORDER BY id"), tuple)
    assert found == [(number * 100,) for number in range(10)]


def test_e27_a_transaction_reads_its_own_writes(db: DistributedDatabase) -> None:
    def work(tx: Transaction) -> object:
        tx.execute(sql("INSERT INTO items VALUES (3, 33)"))
        return tx.query_one(sql("SELECT n FROM items WHERE id = 3"))

    assert db.transaction(work) == {"n": 33}


def rows(first: int, count: int) -> Any:
    return sql(
        "INSERT INTO items SELECT n, 0 FROM generate_series({first}::int, {last}::int) AS n",
        first=first,
        last=first + count - 1,
    )


@pytest.mark.parametrize(
    ("parts", "held"), [([3000], True), ([3000, 1], False), ([1500, 1500], True), ([1500, 1500, 1], False)]
)
def test_k05_k09_a_transaction_changes_3000_rows(
    db: DistributedDatabase, parts: list[int], held: bool
) -> None:
    """Counted over all statements, and whichever call they are sent by."""

    def work(tx: Transaction) -> None:
        first = 10
        for count in parts:
            tx.query(sql("{insert} RETURNING id", insert=rows(first, count)))
            first += count

    if held:
        db.transaction(work)
    else:
        with pytest.raises(errors.TransactionRowLimitExceeded) as caught:
            db.transaction(work)
        assert is_blocks_error(caught.value, DistributedDatabaseErrors.TransactionRowLimitExceeded)
    kept = sum(parts) if held else 0
    assert db.execute(sql("DELETE FROM items WHERE id >= 10")) == kept


METACHARACTERS = ["'; DROP TABLE items; --", "<b>&amp;</b>", "🚀 ünïcödé", "$1 {x} %s \\", ""]


@pytest.mark.parametrize("text", METACHARACTERS)
def test_n06_n11_text_arrives_as_it_is(db: DistributedDatabase, text: str) -> None:
    assert db.query_one(sql("SELECT {text}::text AS t", text=text)) == {"t": text}
