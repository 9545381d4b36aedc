"""The wire, byte by byte: what drivers seldom do, and what they must never see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from local_dsql.proxy.protocol import QueryProtocol
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, FrontendMessage, ObjectKind
from tests.local_dsql.proxy.raw_client import (
    FLUSH,
    SYNC,
    RawClient,
    bind,
    describe,
    execute,
    parse,
)
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster


@pytest.fixture
def client(cluster: Cluster) -> Iterator[RawClient]:
    with RawClient(cluster) as connected:
        connected.log_in(cluster)
        yield connected


def query(sql: str) -> bytes:
    return messages.query(sql)


ANSWERS = [
    ("empty query", [query("")], "IZ"),
    ("only a comment", [query("-- nothing")], "IZ"),
    ("one row", [query("SELECT 1")], "TDCZ"),
    ("two statements", [query("SELECT 1; SELECT 2")], "TDCTDCZ"),
    ("second statement fails", [query("SELECT 1; SELECT 1/0; SELECT 2")], "TDCEZ"),
    ("second statement is refused before the first runs", [query("SELECT 1; TRUNCATE t")], "EZ"),
    ("syntax error", [query("SELEC 1")], "EZ"),
    ("parse, bind, describe, execute", [parse("SELECT 1"), bind(), describe(), execute(), SYNC], "12TDCZ"),
    ("statement described", [parse("SELECT $1::int"), describe(target=ObjectKind.STATEMENT), SYNC], "1tTZ"),
    ("refused at Parse", [parse("TRUNCATE t"), bind(), execute(), SYNC], "EZ"),
    (
        "nothing after an error until Sync",
        [
            parse("SELECT 1/g FROM generate_series(0,0) g"),
            bind(),
            execute(),
            parse("SELECT 1"),
            bind(),
            execute(),
            SYNC,
        ],
        "12EZ",
    ),
    ("unknown statement", [bind(name="missing"), execute(), SYNC], "EZ"),
    ("unknown portal", [execute("missing"), SYNC], "EZ"),
    ("flush in between", [parse("SELECT 1"), FLUSH, bind(), execute(), SYNC], "12DCZ"),
    ("unnamed statement of an earlier batch", [parse("SELECT 1"), SYNC, bind(), execute(), SYNC], "1Z2DCZ"),
    (
        "unnamed write of an earlier batch",
        [parse("DELETE FROM pg_temp_x WHERE false"), SYNC, bind(), execute(), SYNC],
        "EZEZ",
    ),
    ("bound before a flush", [parse("SELECT 1"), bind(), FLUSH, describe(), execute(), SYNC], "12TDCZ"),
    ("two executions", [parse("SELECT 1"), bind(), execute(), bind(), execute(), SYNC], "12DC2DCZ"),
    ("an empty prepared text", [parse(""), bind(), execute(), SYNC], "12IZ"),
    ("sync alone", [SYNC], "Z"),
    (
        "row limit",
        [
            query("BEGIN"),
            parse("SELECT generate_series(1,5)"),
            bind("p"),
            execute("p", 2),
            SYNC,
            execute("p", 2),
            SYNC,
            execute("p", 2),
            SYNC,
            query("COMMIT"),
        ],
        "CZ12DDsZDDsZDCZCZ",
    ),
    (
        "SHOW of DSQL's version, extended",
        [parse("SHOW server_version"), bind(), describe(), execute(), SYNC],
        "12TDCZ",
    ),
    (
        "SHOW of DSQL's version, described before it is bound",
        [
            parse("SHOW server_version", "v"),
            describe("v", ObjectKind.STATEMENT),
            SYNC,
            bind(name="v"),
            execute(),
            SYNC,
        ],
        "1tTZ2DCZ",
    ),
    ("function call", [messages.frame(FrontendMessage.FUNCTION_CALL, b"\0" * 8)], "EZ"),
    (
        "COPY rows without a COPY are ignored",
        [
            messages.frame(FrontendMessage.COPY_DATA, b"1\n"),
            messages.frame(FrontendMessage.COPY_DONE),
            query("SELECT 1"),
        ],
        "TDCZ",
    ),
    ("COPY that fails", [query("COPY nothing FROM STDIN")], "EZ"),
]


@pytest.mark.parametrize(
    ("sent", "expected"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS]
)
def test_answers(client: RawClient, sent: list[bytes], expected: str) -> None:
    """Every batch is answered with messages of these types, in this order."""
    client.send(*sent)
    kinds = "".join(client.kinds() for _ in range(expected.count("Z")))
    assert kinds == expected


@pytest.mark.parametrize("direct", [False, True], ids=["SSLRequest", "direct TLS"])
def test_greeting(cluster: Cluster, direct: bool) -> None:
    """Both ways into TLS lead to the same greeting, which tells DSQL's version and hides the superuser behind it."""
    with RawClient(cluster, direct=direct) as client:
        assert client.socket.selected_alpn_protocol() == "postgresql"
        frames = client.log_in(cluster)
    told = {}
    for kind, raw in frames:
        if kind == BackendMessage.PARAMETER_STATUS:
            name, value, _ = raw[5:].split(b"\0")
            told[name.decode()] = value.decode()
    assert told["server_version"] == "16.15"
    assert told["session_authorization"] == "admin"
    assert told["is_superuser"] == "off"
    assert told["TimeZone"] == "UTC"
    assert any(kind == BackendMessage.BACKEND_KEY_DATA for kind, _ in frames)


def test_no_server_name(cluster: Cluster) -> None:
    """DSQL finds the cluster by the name in the handshake; without one it refuses."""
    with RawClient(cluster, server_name=None) as client:
        *_, (kind, raw) = client.log_in(cluster)
    fields = messages.read_fields(raw)
    assert kind == BackendMessage.ERROR_RESPONSE
    assert fields["S"] == fields["V"] == "FATAL"
    assert fields["M"] == "unable to accept connection, sni was not received"


def test_every_error_of_the_proxy_has_the_fields_that_drivers_read(client: RawClient) -> None:
    """Severity twice, SQLSTATE, message, the way out, and where in the text."""
    client.send(query("SELECT 1;\n TRUNCATE t"))
    frames = client.read()
    fields = messages.read_fields(frames[0][1])
    assert {key: fields[key] for key in "SVCMP"} == {
        "S": "ERROR",
        "V": "ERROR",
        "C": "0A000",
        "M": "unsupported statement: Truncate",
        "P": "12",
    }
    assert fields["H"]


def test_message_too_long(client: RawClient) -> None:
    """A message over 10 MiB ends the connection."""
    client.send(FrontendMessage.QUERY + (10 * 1024 * 1024 + 5).to_bytes(4, "big"), b"x" * 100)
    frames = client.read(BackendMessage.ERROR_RESPONSE)
    assert messages.read_fields(frames[-1][1])["C"] == "08P01"


def test_a_begun_portal_survives_parking(cluster: Cluster, client: RawClient) -> None:
    """Another session takes the row that a transaction has written; the transaction's portal reads on."""
    with cluster.connect() as other:
        other.execute("CREATE TABLE IF NOT EXISTS portal (id int PRIMARY KEY, v text)")
        other.execute("DELETE FROM portal")
        other.execute("INSERT INTO portal SELECT g, 'old' FROM generate_series(1, 5) g")
        client.send(query("BEGIN"), query("UPDATE portal SET v = 'mine' WHERE id = 1"))
        assert client.kinds() + client.kinds() == "CZCZ"
        client.send(
            parse("SELECT id FROM portal ORDER BY id"),
            bind("begun"),
            execute("begun", 2),
            bind("bound"),
            SYNC,
        )
        assert client.kinds() == "12DDs2Z"
        other.execute("UPDATE portal SET v = 'theirs' WHERE id = 1")
        client.send(
            execute("begun", 2), SYNC, execute("begun", 2), SYNC, execute("bound"), SYNC, query("COMMIT")
        )
        assert [client.kinds() for _ in range(4)] == ["DDsZ", "DCZ", "DDDDDCZ", "EZ"]


def test_a_refused_name_does_not_stand_for_the_statement_before(client: RawClient) -> None:
    """A second Parse of a name fails, and the name keeps its first meaning for refusals and limits."""
    client.send(parse("DELETE FROM portal WHERE false", "s"), SYNC, parse("SELECT 1", "s"), SYNC)
    assert [client.kinds(), client.kinds()] == ["1Z", "EZ"]
    client.send(bind(name="s"), execute(), SYNC)
    frames = client.read()
    assert [raw[5:-1] for kind, raw in frames if kind == BackendMessage.COMMAND_COMPLETE] == [b"DELETE 0"]


def test_terminate_is_answered_with_close_notify(cluster: Cluster) -> None:
    """After Terminate the server ends TLS properly, so no client takes the end for an attack."""
    with RawClient(cluster) as client:
        client.log_in(cluster)
        client.send(messages.frame(FrontendMessage.TERMINATE))
        assert client.socket.recv(1) == b""  # an unclean end would raise SSLEOFError


def test_cancel_is_ignored(cluster: Cluster) -> None:
    """A CancelRequest is accepted and does nothing, as on DSQL."""
    with cluster.connect() as connection:
        connection.cancel_safe(timeout=5)
        assert connection.execute("SELECT 1").fetchone() == (1,)


BUSY = {
    "a Query of two reads": query("SELECT 1; SELECT pg_sleep(60)"),
    "a pipeline of two reads": b"".join(
        [parse("SELECT 1"), bind(), execute(), parse("SELECT pg_sleep(60)"), bind(), execute(), SYNC]
    ),
    "a read without a task": query("SELECT pg_sleep(60)"),
    "a COPY": query("COPY (SELECT pg_sleep(60)) TO STDOUT"),
}


@pytest.mark.parametrize("sent", BUSY.values(), ids=BUSY)
def test_a_client_that_leaves_ends_its_task(cluster: Cluster, sent: bytes) -> None:
    async def batches() -> int:
        """Return the number of batches that tasks process."""
        tasks = [str(task.get_coro()) for task in asyncio.all_tasks()]
        return sum(QueryProtocol.process.__qualname__ in task for task in tasks)

    def sleeping() -> int:
        found = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone()
        assert found is not None
        return int(found[0])

    with cluster.direct() as admin:
        with RawClient(cluster) as client:
            client.log_in(cluster)
            client.send(sent)
            wait_until(sleeping)
        wait_until(lambda: not sleeping() and not cluster.run(batches()))
