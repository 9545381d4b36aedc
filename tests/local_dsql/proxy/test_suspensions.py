"""Traces that a suspension leaves: the registered differences in places and portals, and what must leave none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from local_dsql.client.launch import SUSPEND_ALWAYS
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, ObjectKind
from tests.local_dsql.proxy.raw_client import SYNC, RawClient, bind, execute, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.proxy.cluster import Cluster

BEGIN, COMMIT = messages.query("BEGIN"), messages.query("COMMIT")
ROWS = 3000
WIDE = 20_000
"""Bytes of a row: all rows are three times as many as a portal keeps."""


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A second session, and a table that it can take from the first one."""
    with cluster.connect() as connected:
        connected.execute("CREATE TABLE suspensions (id int PRIMARY KEY, n int)")
        connected.execute("INSERT INTO suspensions VALUES (1, 0), (2, 0)")
        yield connected
        connected.execute("DROP TABLE suspensions")


def test_the_places_of_rows_change(cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]]) -> None:
    """Rows that a transaction has made are made again in other places (divergence `places-change`)."""
    places = "SELECT ctid, id FROM suspensions WHERE n = 1"
    with cluster.connect(autocommit=False) as client:
        client.execute("UPDATE suspensions SET n = 1 WHERE id = 1")
        client.execute("INSERT INTO suspensions VALUES (3, 1)")
        before = client.execute(places).fetchall()
        assert admin.execute("UPDATE suspensions SET n = n WHERE id = 2").rowcount == 1
        if not SUSPEND_ALWAYS:
            assert client.execute(places).fetchall() == before  # another row: it is not suspended
        with admin.transaction(force_rollback=True):
            admin.execute("UPDATE suspensions SET n = 2 WHERE id = 1")
        after = client.execute(places).fetchall()
        assert [row[1] for row in after] == [row[1] for row in before]
        assert {row[0] for row in after}.isdisjoint(row[0] for row in before)
        client.commit()
    assert admin.execute("SELECT id, n FROM suspensions ORDER BY id").fetchall() == [(1, 1), (2, 0), (3, 1)]


def test_a_second_begin_makes_a_transaction_writable_until_it_has_read(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    """The modes of both BEGINs hold on the newer snapshot of a lost transaction, too."""
    with cluster.connect() as client:
        client.execute("BEGIN READ ONLY")
        client.execute("BEGIN READ WRITE")
        client.execute("SELECT FROM suspensions")
        admin.execute("UPDATE suspensions SET n = 5 WHERE id = 1")
        assert client.execute("UPDATE suspensions SET n = n + 1 WHERE id = 1").rowcount == 1
        assert client.execute("UPDATE suspensions SET n = n + 1 WHERE id = 2").rowcount == 1
        with pytest.raises(psycopg.errors.SerializationFailure):
            client.execute("COMMIT")
        client.execute("BEGIN READ ONLY")
        client.execute("SELECT FROM suspensions")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            client.execute("BEGIN READ WRITE")
        client.execute("ROLLBACK")


@pytest.mark.parametrize("rows", [10, ROWS], ids=["all are kept", "more than are kept"])
def test_a_portal_of_a_suspended_transaction_is_kept_in_part(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]], rows: int
) -> None:
    """A client that reads on after 16 MiB, or 50 ms of reading, gets OC000 (divergence `portal-kept-in-part`)."""
    wide = f"SELECT n, repeat('x', {WIDE}) FROM generate_series(1, {rows}) n"
    with RawClient(cluster) as client:
        client.log_in(cluster)
        client.send(BEGIN, messages.query("UPDATE suspensions SET n = 1 WHERE id = 1"))
        assert (client.kinds(), client.kinds()) == ("CZ", "CZ")
        client.send(parse(wide), bind("p"), execute("p", 1), SYNC)
        assert client.kinds() == "12DsZ"
        with admin.transaction(force_rollback=True):
            admin.execute("UPDATE suspensions SET n = 2 WHERE id = 1")
        client.send(execute("p"), SYNC)
        frames = client.read()
        read = sum(kind == BackendMessage.DATA_ROW for kind, _ in frames)
        if rows == ROWS:
            assert read * WIDE < 40 * 1024 * 1024
            assert messages.read_fields(frames[-2][1])["M"].endswith("(OC000)")
            client.send(COMMIT)
            assert client.read()[0][1] == messages.command_complete("ROLLBACK")
        else:
            assert read == rows - 1
            client.send(COMMIT)
            assert client.read()[0][1] == messages.command_complete("COMMIT")


def test_a_named_statement_stays_usable_when_it_is_run_again(
    cluster: Cluster, admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    """SET from a named statement is repeated after each suspension, whatever has become of the name since."""
    shown = messages.query("SHOW application_name")
    with RawClient(cluster) as client:
        client.log_in(cluster)
        client.send(BEGIN, parse("SET application_name = 'named'", "s"), bind(name="s"), execute(), SYNC)
        assert client.kinds() == "CZ"
        client.read()
        for change in (b"", messages.close(ObjectKind.STATEMENT, b"s"), parse("SELECT 1", "s")):
            if change:
                client.send(change, SYNC)
                client.read()
            client.send(messages.query("UPDATE suspensions SET n = 1 WHERE id = 1"))
            client.read()
            with admin.transaction(force_rollback=True):
                admin.execute("UPDATE suspensions SET n = 2 WHERE id = 1")
            client.send(shown)
            assert b"named" in b"".join(raw for _, raw in client.read())
        client.send(bind(name="s"), execute(), SYNC)
        assert client.kinds() == "2DCZ"
        client.send(COMMIT)
        assert client.kinds() == "CZ"
