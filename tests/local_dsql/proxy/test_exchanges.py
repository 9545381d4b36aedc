"""Prepared writes, BEGIN and COMMIT run without a task where nothing unusual happens, with the same answers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.client.launch import SUSPEND_ALWAYS
from local_dsql.proxy.protocol import QueryProtocol
from tests.local_dsql.proxy.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


UPDATE = "UPDATE exchanged SET v = v + %s WHERE id = %s"
INSERT = "INSERT INTO exchanged (id, v) VALUES (%s, %s)"


PREPARED, QUERY, PARSED = "prepared", "query", "parsed each time"


class Client:
    """A client whose statements are prepared, Queries, or parsed each time."""

    def __init__(self, cluster: Cluster, kind: str) -> None:
        self.connection = cluster.connect()
        self.kind = kind
        if kind == QUERY:
            self.connection.cursor_factory = psycopg.ClientCursor

    def run(self, sql: str, *values: object) -> object:
        """Return the rows, or else the command tag, or else the SQLSTATE."""
        if self.kind == PARSED and not values:  # psycopg would send a Query
            answer = self.connection.pgconn.exec_params(sql.encode(), None)
            if answer.status == psycopg.pq.ExecStatus.TUPLES_OK:
                return [tuple((answer.get_value(0, 0) or b"").decode() for _ in range(answer.ntuples))]
            state = answer.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
            return (state or answer.command_status or b"").decode()
        try:
            cursor = self.connection.execute(sql.encode(), values, prepare=self.kind == PREPARED)
        except psycopg.Error as error:
            return error.sqlstate
        return cursor.fetchall() if cursor.description else cursor.statusmessage


@pytest.fixture
def table(cluster: Cluster) -> Iterator[None]:
    with cluster.connect() as admin:
        admin.execute("CREATE TABLE exchanged (id int PRIMARY KEY, v int, CHECK (v < 1000000))")
        admin.execute("INSERT INTO exchanged SELECT n, 0 FROM generate_series(1, 2500) n")
        admin.execute("INSERT INTO exchanged SELECT n, 0 FROM generate_series(2501, 5000) n")
        yield
        admin.execute("DROP TABLE exchanged")


@pytest.fixture(params=[PREPARED, QUERY, PARSED])
def clients(cluster: Cluster, table: None, request: pytest.FixtureRequest) -> Iterator[tuple[Client, Client]]:
    pair = Client(cluster, request.param), Client(cluster, request.param)
    for client in pair:  # the catalog is known, the statements of the engine are prepared
        assert [client.run(sql) for sql in ("BEGIN", "ROLLBACK")] == ["BEGIN", "ROLLBACK"]
    assert [pair[0].run(UPDATE, 0, 1), pair[0].run("BEGIN"), pair[0].run(UPDATE, 0, 1), pair[0].run("COMMIT")]
    yield pair
    for client in pair:
        client.connection.close()


A, B = 0, 1
CASES: dict[str, list[tuple[object, ...]]] = {
    "lone writes": [
        (A, "UPDATE 1", UPDATE, 5, 1),
        (B, "UPDATE 0", UPDATE, 5, 0),
        (A, "INSERT 0 1", INSERT, 6000, 1),
        (B, "DELETE 1", "DELETE FROM exchanged WHERE id = %s", 6000),
        (B, [(5,)], "SELECT v FROM exchanged WHERE id = %s", 1),
    ],
    "rows that a write returns": [
        (A, [(1, 5)], UPDATE + " RETURNING id, v", 5, 1),
        (A, [], UPDATE + " RETURNING id, v", 5, 0),
        (A, "BEGIN", "BEGIN"),
        (A, [(1, 10)], UPDATE + " RETURNING id, v", 5, 1),
        (A, "COMMIT", "COMMIT"),
    ],
    "many rows that a write returns": [
        (
            A,
            [(2000, 100_000)],
            "WITH w AS (SELECT 1) SELECT count(*), 100000 FROM exchanged WHERE id <= %s",
            2000,
        ),
        (
            A,
            [("x" * 500,)] * 2000,
            "UPDATE exchanged SET v = v WHERE id <= %s RETURNING repeat('x', 500)",
            2000,
        ),
        (A, "BEGIN", "BEGIN"),
        (
            A,
            [("x" * 500,)] * 2000,
            "UPDATE exchanged SET v = v WHERE id <= %s RETURNING repeat('x', 500)",
            2000,
        ),
        (A, "COMMIT", "COMMIT"),
    ],
    "a lone write that fails": [
        (A, "23505", INSERT, 1, 1),
        (A, "23514", UPDATE, 1000000, 1),
        (A, "22012", "UPDATE exchanged SET v = 1 / %s::int WHERE id = 1", 0),
        (A, "UPDATE 1", UPDATE, 1, 1),
        (B, [(1,)], "SELECT v FROM exchanged WHERE id = %s", 1),
    ],
    "a write that fails in a transaction": [
        (A, "BEGIN", "BEGIN"),
        (A, "UPDATE 1", UPDATE, 1, 1),
        (A, "23505", INSERT, 1, 1),
        (A, "25P02", UPDATE, 1, 1),
        (A, "ROLLBACK", "COMMIT"),
        (A, "UPDATE 1", UPDATE, 7, 2),
        (B, [(1, 0), (2, 7)], "SELECT id, v FROM exchanged WHERE id < %s ORDER BY id", 3),
    ],
    "a lone write beside a transaction": [
        (A, "BEGIN", "BEGIN"),
        (A, "UPDATE 1", UPDATE, 1, 1),
        (B, "UPDATE 1", UPDATE, 10, 1),
        (A, "UPDATE 1", UPDATE, 1, 1),
        (A, "40001", "COMMIT"),
        (A, [(10,)], "SELECT v FROM exchanged WHERE id = %s", 1),
    ],
    "a write that fails, with rows to return": [
        (A, "22012", "UPDATE exchanged SET v = 1 / %s::int WHERE id = 1 RETURNING v", 0),
        (A, "BEGIN", "BEGIN"),
        (A, "22012", "UPDATE exchanged SET v = 1 / %s::int WHERE id = 1 RETURNING v", 0),
        (A, "ROLLBACK", "ROLLBACK"),
        (A, [(1,)], " UPDATE exchanged SET v = 1 WHERE id = %s RETURNING v;", 1),
    ],
    "two transactions": [
        (A, "BEGIN", "BEGIN"),
        (B, "BEGIN", "BEGIN"),
        (A, "UPDATE 1", UPDATE, 1, 1),
        (B, "UPDATE 1", UPDATE, 10, 1),
        (B, "UPDATE 1", UPDATE, 10, 2),
        (B, "COMMIT", "COMMIT"),
        (A, "UPDATE 1", UPDATE, 1, 3),
        (A, "40001", "COMMIT"),
        (A, [(1, 10), (2, 10), (3, 0)], "SELECT id, v FROM exchanged WHERE id < %s ORDER BY id", 4),
    ],
    "a key that another one has committed since": [
        (A, "BEGIN", "BEGIN"),
        (B, "INSERT 0 1", INSERT, 7000, 1),
        (A, "INSERT 0 1", INSERT, 7000, 2),
        (A, "40001", "COMMIT"),
        (A, [(1,)], "SELECT v FROM exchanged WHERE id = %s", 7000),
    ],
    "transactions that do not conflict": [
        (A, "BEGIN", "BEGIN"),
        (B, "BEGIN", "BEGIN"),
        (A, "UPDATE 1", UPDATE, 1, 1),
        (B, "UPDATE 1", UPDATE, 10, 2),
        (A, "COMMIT", "COMMIT"),
        (B, "UPDATE 1", UPDATE, 10, 3),
        (B, "COMMIT", "COMMIT"),
        (A, [(1, 1), (2, 10), (3, 10)], "SELECT id, v FROM exchanged WHERE id < %s ORDER BY id", 4),
    ],
    "more rows than a transaction may change": [
        (A, "54000", "UPDATE exchanged SET v = %s", 1),
        (A, "UPDATE 2000", "UPDATE exchanged SET v = %s WHERE id <= 2000", 1),
        (A, "BEGIN", "BEGIN"),
        (A, "UPDATE 2000", "UPDATE exchanged SET v = %s WHERE id <= 2000", 2),
        (A, "54000", "UPDATE exchanged SET v = %s WHERE id <= 2000", 3),
        (A, "25P02", UPDATE, 1, 1),
        (A, "ROLLBACK", "COMMIT"),
        (B, [(1,)], "SELECT v FROM exchanged WHERE id = %s", 1),
    ],
    "a write after a catalog change": [
        (A, "BEGIN", "BEGIN"),
        (A, "CREATE TABLE", "CREATE TABLE exchanged_too (id int)"),
        (A, "0A000", UPDATE, 1, 1),
        (A, "ROLLBACK", "ROLLBACK"),
    ],
    "settings of a transaction": [
        (A, "BEGIN", "BEGIN"),
        (A, "SET", "SET LOCAL application_name = 'exchanged'"),
        (A, "UPDATE 1", UPDATE, 1, 1),
        (B, "UPDATE 1", UPDATE, 1, 2),
        (A, [("exchanged",)], "SHOW application_name"),
        (A, "COMMIT", "COMMIT"),
        (A, [("",)], "SHOW application_name"),
    ],
    "a transaction that ends twice": [
        (A, "COMMIT", "COMMIT"),
        (A, "BEGIN", "BEGIN"),
        (A, "BEGIN", "BEGIN"),
        (A, "UPDATE 1", UPDATE, 1, 1),
        (A, "COMMIT", "COMMIT"),
        (A, "COMMIT", "COMMIT"),
    ],
    "prepared statements of the engine that are gone": [
        (A, "DEALLOCATE ALL", "DEALLOCATE ALL"),
        (A, "BEGIN", "BEGIN"),
        (A, "COMMIT", "COMMIT"),
        (A, "BEGIN", "BEGIN"),
        (A, "INSERT 0 1", INSERT + " ", 8000, 1),
        (A, "COMMIT", "COMMIT"),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_answers(clients: tuple[Client, Client], name: str) -> None:
    steps = CASES[name]
    answers = [clients[int(str(who))].run(str(sql), *values) for who, _, sql, *values in steps]
    assert answers == [expected for _, expected, *_ in steps]


@pytest.fixture
def quiet() -> Iterator[Cluster]:
    """A cluster of its own: tables of other tests may have keys and functions that make COMMIT and writes unusual."""
    running = Cluster()
    yield running
    running.close()


@pytest.mark.skipif(SUSPEND_ALWAYS, reason="the transaction is suspended after each statement")
@pytest.mark.parametrize("kind", [PREPARED, QUERY, PARSED])
def test_the_usual_course_takes_no_task(quiet: Cluster, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    client = Client(quiet, kind)
    read = "SELECT v FROM exchanged WHERE id = %s"

    def work() -> None:
        assert client.run(UPDATE, 1, 1) == "UPDATE 1"
        assert client.run("BEGIN") == "BEGIN"
        assert len(str(client.run(read, 1))) > 3
        assert client.run(UPDATE, 1, 1) == "UPDATE 1"
        assert client.run("COMMIT") == "COMMIT"

    client.run("CREATE TABLE exchanged (id int PRIMARY KEY, v int)")
    client.run("INSERT INTO exchanged VALUES (1, 0)")
    work()
    work()
    processed: list[object] = []
    process = QueryProtocol.process

    async def counted(self: QueryProtocol, batch: list[tuple[bytes, bytes]]) -> None:
        processed.append(batch)
        await process(self, batch)

    monkeypatch.setattr(QueryProtocol, "process", counted)
    work()
    client.connection.close()
    assert processed == []


def test_a_parameter_that_is_no_text(clients: tuple[Client, Client]) -> None:
    """The proxy refuses it in place of PostgreSQL; the session goes on."""
    client, _ = clients
    sql = "UPDATE exchanged SET v = length(%b::text) WHERE id = 1"
    assert client.run(sql, "ab") == "UPDATE 1"
    pgconn = client.connection.pgconn
    pgconn.prepare(b"named", b"UPDATE exchanged SET v = length($1::text) WHERE id = 1")
    for _ in range(2):
        assert b"invalid byte sequence" in pgconn.exec_prepared(b"named", [b"\xff"]).error_message
    assert client.run("BEGIN") == "BEGIN"
    assert b"invalid byte sequence" in pgconn.exec_prepared(b"named", [b"\xff"]).error_message
    assert client.run("COMMIT") == "ROLLBACK"
    assert client.run(UPDATE, 1, 2) == "UPDATE 1"


def test_writes_that_block_each_other(clients: tuple[Client, Client]) -> None:
    """PostgreSQL stops one of them; it runs again, and the transaction that commits last loses."""
    for number in range(6):
        for client, row in zip(clients, (1, 2), strict=True):
            assert [client.run("BEGIN"), client.run(UPDATE, 1, row)] == ["BEGIN", "UPDATE 1"]
        answers: list[object] = []

        def cross(client: Client, row: int, into: list[object] = answers) -> None:
            into.append(client.run(UPDATE, 1, row))

        threads = [threading.Thread(target=cross, args=pair) for pair in zip(clients, (2, 1), strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == ["UPDATE 1", "UPDATE 1"]
        order = clients if number % 2 else clients[::-1]
        assert [client.run("COMMIT") for client in order] == ["COMMIT", "40001"]


LEAVING: dict[str, Callable[[Client], object]] = {
    "a lone write": lambda client: client.run(
        "UPDATE exchanged SET v = 9 WHERE id = 3 AND pg_sleep(%s) IS NOT NULL", 1
    ),
    "a write in a transaction": lambda client: (
        client.run("BEGIN"),
        client.run("UPDATE exchanged SET v = 9 WHERE id = 3 AND pg_sleep(%s) IS NOT NULL", 1),
    ),
}


@pytest.mark.parametrize("kind", LEAVING)
def test_a_client_that_leaves_within_a_write(
    cluster: Cluster, clients: tuple[Client, Client], kind: str
) -> None:
    leaving, other = clients
    assert (
        leaving.run("UPDATE exchanged SET v = 8 WHERE id = 3 AND pg_sleep(%s) IS NOT NULL", 0) == "UPDATE 1"
    )
    thread = threading.Thread(target=lambda: LEAVING[kind](leaving))
    thread.start()
    time.sleep(0.3)
    leaving.connection.pgconn.finish()
    thread.join()
    assert other.run(UPDATE, 1, 4) == "UPDATE 1"
    deadline = time.monotonic() + 5
    while cluster.proxy.engine.services.commits.pending:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert other.run(UPDATE, 1, 3) == "UPDATE 1"
