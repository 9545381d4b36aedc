"""Cost: AWS's four worked examples, and the meter of the local database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.cost import formulas
from local_dsql.cost.result import BudgetExceeded, Cost
from local_dsql.divergences import BY_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster


@pytest.mark.parametrize(
    ("reads", "writes", "milliseconds", "read", "write", "total"),
    [
        pytest.param([5 * 100], [], 3, "0.00375", "0.0", "0.00675", id="look up 5 rows"),
        pytest.param([100 * 100], [], 8, "0.01831", "0.0", "0.02631", id="scan 100 rows to return 10"),
        pytest.param([16], [100], 8, "0.00375", "0.05", "0.06175", id="insert a row"),
        pytest.param([100 * 16], [100] * 100, 80, "0.00375", "0.625", "0.70875", id="insert 100 rows"),
    ],
)
def test_the_worked_examples_of_aws(
    reads: list[int], writes: list[int], milliseconds: int, read: str, write: str, total: str
) -> None:
    """Source: AWS user guide, "How billing works in Aurora DSQL", "Billing examples"."""
    found_read = formulas.read_dpu(formulas.bytes_read(reads))
    found_write = formulas.write_dpu(formulas.bytes_written(writes))
    assert f"{found_read:.5f}" == read
    assert f"{found_write:.{len(write.partition('.')[2])}f}" == write
    compute = milliseconds / 1000  # a second of processing is one DPU
    assert f"{float(read) + float(write) + compute:.5f}" == total


def test_a_read_from_each_partition_counts_128_bytes_at_least() -> None:
    assert formulas.bytes_read([200, 50, 50, 50]) == 584


def test_a_transaction_that_does_nothing_costs_nothing() -> None:
    assert formulas.read_dpu(0) == formulas.write_dpu(0) == 0


@pytest.fixture
def connection(dsql: LocalCluster) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsql.dsn(), autocommit=True) as found:
        found.execute(
            "CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), customer varchar(50), "
            "amount numeric(10, 2), status varchar(20))"
        )
        yield found


INSERT = "INSERT INTO orders (customer, amount, status) SELECT 'cust-' || n, n, 'pending' FROM generate_series(1, {}) n"


def test_inserts_cost_as_in_the_examples(dsql: LocalCluster, connection: psycopg.Connection) -> None:
    with dsql.cost() as one:
        connection.execute(INSERT.format(1))
    assert (one.transactions, one.rows_written, one.index_entries_written, one.bytes_written) == (
        1,
        1,
        0,
        128,
    )
    assert f"{one.write_dpu:.2f}" == "0.05"
    assert f"{one.read_dpu_low:.5f}" == "0.00375"
    with dsql.cost() as hundred:
        connection.execute(INSERT.format(100))
    assert hundred.bytes_written == 12_800
    assert f"{hundred.write_dpu:.3f}" == "0.625"
    assert f"{hundred.read_dpu_low:.5f}" == f"{hundred.read_dpu_high:.5f}" == "0.00375"


def test_each_secondary_index_costs_an_entry(dsql: LocalCluster, connection: psycopg.Connection) -> None:
    for column in ("customer", "status"):
        connection.execute(f"CREATE INDEX ASYNC ON orders ({column})").fetchone()
    connection.execute("SELECT pg_sleep(0.5)")
    with dsql.cost() as cost:
        connection.execute(INSERT.format(10))
    assert (cost.rows_written, cost.index_entries_written) == (10, 20)
    assert cost.bytes_written == 30 * 128


def test_rows_larger_than_the_minimum_have_their_size(
    dsql: LocalCluster, connection: psycopg.Connection
) -> None:
    connection.execute("CREATE TABLE notes (id int PRIMARY KEY, t text)")
    with dsql.cost() as cost:
        connection.execute("INSERT INTO notes VALUES (1, repeat('abcdefghij', 100))")
    assert 1_000 <= cost.bytes_written <= 1_020
    with dsql.cost() as long:  # out of line, in pieces
        connection.execute(
            "INSERT INTO notes SELECT 2, string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 2000)"
        )
    assert 72_000 <= long.bytes_written <= 76_000


@pytest.mark.parametrize("statement", ["UPDATE orders SET amount = amount + 1", "DELETE FROM orders"])
def test_changes_cost_each_row(dsql: LocalCluster, connection: psycopg.Connection, statement: str) -> None:
    connection.execute(INSERT.format(50))
    with dsql.cost() as cost:
        connection.execute(statement)
    assert (cost.transactions, cost.rows_written, cost.bytes_written) == (1, 50, 50 * 128)
    assert cost.rows_read == 50


def test_only_what_is_committed_costs_writes(dsql: LocalCluster, connection: psycopg.Connection) -> None:
    with dsql.cost() as cost:
        connection.execute("BEGIN")
        connection.execute(INSERT.format(5))
        connection.execute("ROLLBACK")
        dsql.inject("OC000")
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute(INSERT.format(5))
    assert (cost.write_dpu, cost.transactions) == (0, 0)


def test_many_rows_and_transactions_of_several_sessions(
    dsql: LocalCluster, connection: psycopg.Connection
) -> None:
    with dsql.cost() as cost, psycopg.connect(dsql.dsn(), autocommit=True) as other:
        for each in (connection, other, connection):
            each.execute(INSERT.format(1000))
        with other.cursor().copy("COPY orders (customer, amount) FROM STDIN") as copy:
            for number in range(500):
                copy.write_row((f"c {number}", number))
    assert (cost.transactions, cost.rows_written, cost.bytes_written) == (4, 3500, 3500 * 128)
    assert cost.write_dpu == pytest.approx(3500 * 128 * 0.00004883)
    assert 3500 * 30 < cost.storage_bytes < 3500 * 128


def test_a_scan_costs_all_rows_it_reads(dsql: LocalCluster, connection: psycopg.Connection) -> None:
    for _ in range(2):
        connection.execute(INSERT.format(2500))
    with dsql.cost() as scan:
        connection.execute("SELECT count(*) FROM orders WHERE amount = 7")
    assert scan.rows_read == 5000
    assert scan.read_dpu_low == pytest.approx(scan.bytes_read * 0.00000183105)
    assert scan.read_dpu_low <= scan.read_dpu_high <= scan.read_dpu_low + 0.00376
    (key,) = connection.execute("SELECT id FROM orders LIMIT 1").fetchone() or ()
    with dsql.cost() as look_up:
        connection.execute("SELECT * FROM orders WHERE id = %s", (key,))
    assert look_up.rows_read == 1
    assert f"{look_up.read_dpu_low:.5f}" == "0.00375"
    assert look_up.write_dpu == 0


def test_what_was_written_into_a_dropped_table_counts(
    dsql: LocalCluster, connection: psycopg.Connection
) -> None:
    connection.execute("CREATE TABLE kept (id int PRIMARY KEY, v text)")
    with dsql.cost() as cost:
        connection.execute(INSERT.format(10))
        connection.execute("DROP TABLE orders")
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY, v text)")
        connection.execute("CREATE INDEX ASYNC ON orders (v)")
        connection.execute("INSERT INTO orders SELECT n, repeat('x', 1000) FROM generate_series(1, 5) n")
        connection.execute("BEGIN")
        connection.execute("DROP TABLE kept")
        connection.execute("ROLLBACK")
        connection.execute("INSERT INTO kept VALUES (1, 'a')")
        connection.execute("DROP TABLE orders")
    assert (cost.transactions, cost.rows_written, cost.index_entries_written) == (3, 16, 5)
    assert 5 * 1_000 <= cost.bytes_written - (10 + 1 + 5) * 128 <= 5 * 1_020


def test_a_budget_is_asserted(dsql: LocalCluster, connection: psycopg.Connection) -> None:
    with dsql.cost(budget=0.06):
        connection.execute(INSERT.format(1))
    with pytest.raises(BudgetExceeded, match="more than the budget of"), dsql.cost(budget=0.06):
        connection.execute(INSERT.format(100))
    assert issubclass(BudgetExceeded, AssertionError)


def test_an_error_in_the_block_passes_through(dsql: LocalCluster) -> None:
    with pytest.raises(ZeroDivisionError), dsql.cost(budget=0.0) as cost:
        raise ZeroDivisionError
    assert cost == Cost()


def test_the_estimate_is_a_known_difference() -> None:
    assert "ComputeDPU is left out" in BY_ID["cost-is-an-estimate"].sentence
