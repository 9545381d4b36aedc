"""Limits: DSQL's SQLSTATE and text, at DSQL's moment."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local_dsql.proxy import Limits
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, FrontendMessage
from tests.local_dsql.proxy.cluster import Cluster
from tests.local_dsql.proxy.raw_client import SYNC, RawClient, bind, execute, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql.wire.frames import Frame

RANDOM_MIB = "(SELECT string_agg(md5(random()::text || h), '') FROM generate_series(1, 32000) h)"
ROWS = "transaction row limit exceeded"


@pytest.fixture(scope="module")
def impatient() -> Iterator[Cluster]:
    """A cluster whose transactions and connections grow old in a second."""
    running = Cluster(limits=Limits(transaction_age=0.6, connection_age=2.0))
    yield running
    running.close()


@pytest.fixture(scope="module")
def little() -> Iterator[Cluster]:
    """A cluster whose transactions hold 1 MiB, with a table of 700 keys of 2 kB, and one of narrow keys."""
    running = Cluster(limits=Limits(bytes=1024 * 1024))
    key = "(SELECT string_agg(md5(g::text || h), '') FROM generate_series(1, 63) h)"
    with running.direct() as direct:
        direct.execute("SET ROLE admin")
        direct.execute("CREATE TABLE wide_keys (id text PRIMARY KEY, v text)")
        direct.execute(f"INSERT INTO wide_keys SELECT {key} FROM generate_series(1, 700) g")
        direct.execute("CREATE TABLE narrow (id int PRIMARY KEY, v text)")
        direct.execute(f"INSERT INTO narrow SELECT g, {key} FROM generate_series(1, 700) g")
    yield running
    running.close()


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with cluster.connect() as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bulk (id int PRIMARY KEY, v text,"
            " parent int REFERENCES bulk (id) ON DELETE CASCADE)"
        )
        connection.execute("DELETE FROM bulk WHERE parent IS NOT NULL")
        connection.execute("DELETE FROM bulk")
        yield connection


MANY = [
    ("autocommit", "INSERT INTO bulk SELECT g FROM generate_series(1, 3001) g"),
    ("RETURNING", "INSERT INTO bulk SELECT g FROM generate_series(1, 3001) g RETURNING id"),
    (
        "in a CTE",
        "WITH n AS (INSERT INTO bulk SELECT g FROM generate_series(1, 3001) g RETURNING 1) SELECT 1",
    ),
    (
        "beside a CTE",
        "WITH n AS (INSERT INTO bulk SELECT g FROM generate_series(1, 2000) g RETURNING 1)"
        " INSERT INTO bulk SELECT g FROM generate_series(2001, 3001) g",
    ),
    (
        "two statements at once",
        "INSERT INTO bulk SELECT g FROM generate_series(1, 3000) g; INSERT INTO bulk VALUES (0)",
    ),
]


@pytest.mark.parametrize("sql", [case[1] for case in MANY], ids=[case[0] for case in MANY])
def test_more_than_3000_rows(admin: psycopg.Connection[Any], sql: str) -> None:
    """The statement that passes 3,000 fails, and nothing is committed."""
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match=ROWS):
        admin.execute(sql)
    assert admin.execute("SELECT count(*) FROM bulk").fetchone() == (0,)


def test_rows_that_are_read_in_pieces_count(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """The command tag, which tells how many, comes with the last piece; the limit holds from the first one on."""
    sql = "INSERT INTO bulk SELECT g FROM generate_series({}, {}) g RETURNING id"
    with RawClient(cluster) as client:
        client.log_in(cluster)
        client.send(parse(sql.format(1, 3001)), bind(), execute(limit=2), SYNC)
        assert _sqlstate(client.read()) == "54000"
        client.send(messages.query("BEGIN"), parse(sql.format(1, 2000)), bind("p"), execute("p", 2), SYNC)
        client.send(
            execute("p"), SYNC, messages.query(sql.format(2001, 3000)), messages.query(sql.format(0, 0))
        )
        assert [_sqlstate(client.read()) for _ in range(5)] == [None, None, None, None, "54000"]
    assert admin.execute("SELECT count(*) FROM bulk").fetchone() == (0,)


def _sqlstate(frames: list[Frame]) -> str | None:
    return next(
        (messages.read_fields(raw)["C"] for kind, raw in frames if kind == BackendMessage.ERROR_RESPONSE),
        None,
    )


def test_3000_rows_are_allowed(admin: psycopg.Connection[Any]) -> None:
    assert admin.execute("INSERT INTO bulk SELECT g FROM generate_series(1, 3000) g").rowcount == 3000


@pytest.mark.slow
def test_rows_of_a_cascade_count(admin: psycopg.Connection[Any]) -> None:
    """One parent and 3,000 children are 3,001 rows."""
    admin.execute("INSERT INTO bulk VALUES (0, 'parent')")
    admin.execute("INSERT INTO bulk SELECT g, 'child', 0 FROM generate_series(1, 3000) g")
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match=ROWS):
        admin.execute("DELETE FROM bulk WHERE id = 0")


def test_commit_of_a_failed_transaction_is_a_rollback(
    cluster: Cluster, admin: psycopg.Connection[Any]
) -> None:
    """After 54000 comes 25P02, and COMMIT answers ROLLBACK."""
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        admin.execute("BEGIN")
        admin.execute("INSERT INTO bulk SELECT g FROM generate_series(1, 3001) g")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        admin.execute("SELECT 1")
    assert admin.execute("COMMIT").statusmessage == "ROLLBACK"


def test_more_than_10_mib(cluster: Cluster, admin: psycopg.Connection[Any]) -> None:
    """The COMMIT fails, not the statement."""
    with cluster.connect(autocommit=False) as connection:
        connection.execute(f"INSERT INTO bulk SELECT g, {RANDOM_MIB} FROM generate_series(1, 11) g")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded) as raised:
            connection.commit()
    assert raised.value.diag.message_primary == "transaction size limit 10mb exceeded"
    assert raised.value.diag.message_detail == "Current transaction size 11mb > 10mb"
    assert admin.execute("SELECT count(*) FROM bulk").fetchone() == (0,)


def test_less_than_10_mib(admin: psycopg.Connection[Any]) -> None:
    assert (
        admin.execute(f"INSERT INTO bulk SELECT g, {RANDOM_MIB} FROM generate_series(1, 9) g").rowcount == 9
    )


LOCKING = [
    ("of the rows", "SELECT count(*) FROM (SELECT FROM wide_keys FOR UPDATE) _", "2mb"),
    ("of two tables", "SELECT FROM wide_keys w JOIN narrow n ON n.id <= 1 FOR UPDATE", "2mb"),
    ("of few rows", "SELECT FROM wide_keys ORDER BY id LIMIT 9 FOR UPDATE", None),
    ("FOR KEY SHARE", "SELECT FROM wide_keys FOR KEY SHARE", None),
    ("of wide rows with narrow keys", "SELECT FROM narrow FOR UPDATE", None),
    ("of rows that nothing locks", "SELECT FROM wide_keys", None),
]


@pytest.mark.parametrize(("sql", "size"), [case[1:] for case in LOCKING], ids=[case[0] for case in LOCKING])
def test_the_keys_of_locked_rows_count(little: Cluster, sql: str, size: str | None) -> None:
    """They count for the size of a transaction, also of one that changes nothing."""
    with little.connect(autocommit=False) as connection:
        connection.execute(sql)
        if size is None:
            connection.commit()
            return
        with pytest.raises(psycopg.errors.ProgramLimitExceeded) as raised:
            connection.commit()
    assert raised.value.diag.message_primary == "transaction size limit 1mb exceeded"
    assert raised.value.diag.message_detail == f"Current transaction size {size} > 1mb"


def test_a_locked_row_that_is_changed_counts_once(little: Cluster) -> None:
    """It counts as a row; a second table of keys would exceed the limit."""
    with little.connect(autocommit=False) as connection:
        connection.execute("SELECT FROM wide_keys ORDER BY id LIMIT 400 FOR UPDATE")
        connection.execute(
            "UPDATE wide_keys SET v = 'x' WHERE id IN (SELECT id FROM wide_keys ORDER BY id LIMIT 400)"
        )
        connection.commit()


def test_transaction_grows_too_old(impatient: Cluster) -> None:
    """Its locks are gone at once; the next statement says why, the one after it 25P02."""
    with impatient.connect() as other, impatient.connect(autocommit=False) as connection:
        other.execute("CREATE TABLE old (id int PRIMARY KEY)")
        connection.execute("INSERT INTO old VALUES (1)")
        time.sleep(0.9)
        assert other.execute("INSERT INTO old VALUES (1)").rowcount == 1
        with pytest.raises(
            psycopg.errors.ProgramLimitExceeded, match=r"transaction age limit of 0\.6s exceeded"
        ):
            connection.execute("SELECT 1")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_connection_grows_too_old(impatient: Cluster) -> None:
    """It is closed when it is not in a transaction; one that is may end it first."""
    idle = impatient.connect()
    busy = impatient.connect(autocommit=False)
    time.sleep(1.8)
    busy.execute("SELECT 1")
    time.sleep(0.4)
    busy.execute("SELECT 1")
    busy.commit()
    for connection in (idle, busy):
        with pytest.raises(psycopg.OperationalError):
            for _ in range(1000):  # the clock strikes when the machine lets it
                connection.execute("SELECT 1")
                connection.rollback()
                time.sleep(0.01)
        connection.close()


def test_a_connection_that_is_too_old_is_closed_at_its_commit(impatient: Cluster) -> None:
    """Without a further statement."""
    connection = impatient.connect()
    connection.execute("CREATE TABLE kept_open (id int)")
    work = (b"BEGIN", b"INSERT INTO kept_open VALUES (1)")
    for sql in (*work, b"COMMIT") * 2:  # the catalog is known then, so that no task runs the COMMIT
        connection.pgconn.exec_(sql)
    time.sleep(1.8)
    for sql in work:
        connection.pgconn.exec_(sql)
    time.sleep(0.4)
    assert connection.pgconn.exec_(b"COMMIT").command_status == b"COMMIT"
    with pytest.raises(psycopg.OperationalError):
        for _ in range(500):
            connection.pgconn.consume_input()
            time.sleep(0.01)
    connection.close()


@pytest.mark.parametrize("way", ["autocommit", "in a transaction", "copy"])
def test_a_value_of_more_than_1_mib(cluster: Cluster, admin: psycopg.Connection[Any], way: str) -> None:
    """As it is stored: what compresses well is smaller."""
    noise = random.Random(1).randbytes(800_000).hex()
    with cluster.connect(autocommit=way != "in a transaction") as connection:
        connection.execute("INSERT INTO bulk (id, v) VALUES (1, %s)", ("x" * 3_000_000,))
        with pytest.raises(psycopg.errors.ProgramLimitExceeded) as raised:
            if way == "copy":
                with connection.cursor().copy("COPY bulk (id, v) FROM STDIN") as copy:
                    copy.write_row((2, noise * 2))
            else:
                connection.execute("INSERT INTO bulk (id, v) VALUES (2, %s)", (noise * 2,))
        connection.rollback()
    assert (
        raised.value.diag.message_primary
        == "datatype limit greater than 1048576 bytes not supported for text"
    )
    assert admin.execute("SELECT count(*) FROM bulk WHERE id = 2").fetchone() == (0,)


_LARGE = random.Random(1).randbytes(800_000).hex().encode() * 2
_BIND_LARGE = messages.frame(
    FrontendMessage.BIND, b"\0\0\0\0\0\1" + len(_LARGE).to_bytes(4, "big") + _LARGE + b"\0\0"
)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            [parse("INSERT INTO bulk (id, v) VALUES (3, $1)"), _BIND_LARGE, messages.FLUSH, execute(), SYNC],
            "12EZ",
        ),
        (
            [
                parse(f"INSERT INTO bulk (id, v) VALUES (3, '{_LARGE.decode()}')", "named"),
                SYNC,
                bind(name="named"),
                execute(),
                SYNC,
            ],
            "1ZEZ",
        ),
    ],
    ids=["parameter before a Flush", "text of a prepared statement"],
)
def test_a_value_of_more_than_1_mib_in_an_earlier_message(
    cluster: Cluster, admin: psycopg.Connection[Any], sent: list[bytes], expected: str
) -> None:
    with RawClient(cluster) as client:
        client.log_in(cluster)
        client.send(*sent)
        assert "".join(client.kinds() for _ in range(expected.count("Z"))) == expected
    assert admin.execute("SELECT count(*) FROM bulk WHERE id = 3").fetchone() == (0,)


def test_a_row_of_more_than_2_mib(admin: psycopg.Connection[Any]) -> None:
    noise = [random.Random(seed).randbytes(900_000) for seed in range(3)]
    admin.execute("CREATE TABLE IF NOT EXISTS heavy (id int PRIMARY KEY, a bytea, b bytea, c bytea)")
    admin.execute("INSERT INTO heavy VALUES (1, %s, %s)", noise[:2])
    with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="maximum row size exceeded"):
        admin.execute("INSERT INTO heavy VALUES (2, %s, %s, %s)", noise)
