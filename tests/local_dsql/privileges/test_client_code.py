"""Code of clients that the local DSQL runs on its own account runs as a client, in every state of a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_dsql.divergences import BY_ID
from local_dsql.wire import messages
from local_dsql.wire.sql import identifier
from tests.local_dsql.differential.wire_session import WireSession
from tests.local_dsql.privileges.session_of_role import PLAIN, conninfo
from tests.local_dsql.proxy.raw_client import SYNC, bind, execute, parse
from tests.local_dsql.raw_endpoint import RawEndpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster
    from tests.local_dsql.differential.wire_session import Answer

_IS_CLIENT = (
    f"current_user IN ('admin', '{PLAIN}') AND session_user IN ('admin', '{PLAIN}')"
    " AND current_setting('is_superuser') = 'off'"
)
CODE = (
    f"CREATE FUNCTION own(n int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT CASE WHEN {_IS_CLIENT} THEN n"
    " ELSE n / (n - n) END $$",
    "CREATE DOMAIN watched AS int CHECK (own(VALUE) > 0)",
    "CREATE TABLE code (id int PRIMARY KEY, n int DEFAULT own(7) CHECK (own(n) > 0), d watched, v text UNIQUE,"
    " twice int GENERATED ALWAYS AS (2 * own(n)) STORED)",
    "CREATE TABLE below (id int PRIMARY KEY, n int REFERENCES code (id) ON DELETE CASCADE ON UPDATE CASCADE,"
    " d watched CHECK (own(d) > 0))",
    "CREATE VIEW seen AS SELECT id, own(n) AS n, d, v FROM code WHERE own(n) > 0",
    f"GRANT ALL ON code TO {PLAIN}",
    f"GRANT ALL ON below TO {PLAIN}",
    f"GRANT ALL ON seen TO {PLAIN}",
)
INDEXES = (
    "CREATE UNIQUE INDEX ASYNC code_own ON code (own(n)) WHERE own(n) > 0",
    "CREATE INDEX ASYNC below_own ON below (own(d))",
)
WRITES = (
    "UPDATE code SET n = n + 1, d = d + 1, v = v || 'x' WHERE id = 1",
    "UPDATE code SET id = 9 WHERE id = 2",
    "INSERT INTO code (id, n, d, v) VALUES (3, 30, 3, 'c')",
    "INSERT INTO below VALUES (5, 3, 5)",
    "DELETE FROM code WHERE id = 4",
)


def _said(session: WireSession, sql: str) -> Answer:
    answer = session.ask(sql)
    assert not answer.failed, f"{sql}: {answer}"
    return answer


@pytest.fixture
def code(prepared: LocalCluster) -> LocalCluster:
    """Tables full of code of their owner."""
    admin = WireSession(prepared.dsn())
    for sql in CODE:
        _said(admin, sql)
    for sql in INDEXES:
        job = _said(admin, sql).rows[0][0]
        while admin.ask(f"CALL sys.wait_for_job('{(job or b'').decode()}')").failed:
            pass  # the end of the job has changed the catalog
    _said(admin, "INSERT INTO code (id, n, d, v) VALUES (1, 10, 1, 'a'), (2, 20, 2, 'b'), (4, 40, 4, 'd')")
    _said(admin, "INSERT INTO below VALUES (1, 2, 1), (2, 4, 2)")
    admin.close()
    return prepared


@pytest.mark.parametrize("role", ["admin", PLAIN])
@pytest.mark.parametrize("state", ["suspended after each statement", "doomed", "stale"])
def test_code_in_tables_runs_as_a_client(code: LocalCluster, role: str, state: str) -> None:
    """CHECK, default, generated column, domain, index expression and predicate, view: at work, suspended, doomed."""
    me, other = WireSession(conninfo(code, role)), WireSession(code.dsn())
    _said(me, "BEGIN")
    _said(me, "SELECT 1")
    if state == "stale":
        _said(other, "UPDATE mine SET n = 5")
    for sql in WRITES:
        _said(me, sql)
        if state == "suspended after each statement":
            for step in ("BEGIN", "UPDATE code SET v = v", "UPDATE below SET d = d", "ROLLBACK"):
                _said(other, step)
        elif state == "doomed" and sql is WRITES[0]:
            _said(other, "UPDATE code SET d = 5 WHERE id = 1")
    assert _said(me, "SELECT id, n FROM seen ORDER BY id").rows == (
        (b"1", b"11"),
        (b"3", b"30"),
        (b"9", b"20"),
    )
    ended = me.ask("COMMIT")
    assert (ended.sqlstate, ended.tag) == (("40001", "") if state == "doomed" else ("", "COMMIT")), ended
    me.close()
    other.close()


ODD = (
    ")=(",
    "a)=(b",
    '"',
    '")=("',
    "')=('",
    "x)=(1) OR (pg_read_file('/etc/passwd')) IS NOT NULL --",
    'x" FROM pg_roles; ALTER ROLE admin SUPERUSER; --',
    "$$",
    "%s {0} \\ ",
    "; SELECT 1",
    "new\nline",
    "é/*",
)


PLACES = ("schema", "table", "column", "constraint", "value")


def _names_and_places() -> Iterator[object]:
    """Yield every name in every place; one place of each name is in the usual run, the others are slow."""
    for number, name in enumerate(ODD):
        for at, place in enumerate(PLACES):
            usual = at == number % len(PLACES)
            yield pytest.param(name, place, marks=() if usual else pytest.mark.slow)


@pytest.mark.parametrize(("name", "place"), list(_names_and_places()))
def test_odd_names_change_no_statement(prepared: LocalCluster, name: str, place: str) -> None:
    """A duplicate, real or not shown, a suspended and a doomed transaction: the answers of a usual name."""
    names = {"schema": "plain", "table": "t", "column": "k", "constraint": "u", "value": "v"} | {place: name}
    schema, column, constraint = (identifier(names[each]) for each in ("schema", "column", "constraint"))
    table, child = (f"{schema}.{identifier(names['table'] + suffix)}" for suffix in ("", "2"))
    value = names["value"].replace("'", "''")
    me, other = WireSession(conninfo(prepared, "admin")), WireSession(prepared.dsn())
    _said(me, f"CREATE SCHEMA {schema}")
    _said(
        me, f"CREATE TABLE {table} (id int PRIMARY KEY, {column} text CONSTRAINT {constraint} UNIQUE, w int)"
    )
    _said(me, f"CREATE TABLE {child} (id int PRIMARY KEY, {column} text REFERENCES {table} ({column}))")
    _said(me, f"INSERT INTO {table} VALUES (1, '{value}', 0), (2, 'b', 0), (3, 'c', 0)")
    _said(me, f"INSERT INTO {child} VALUES (1, 'c')")
    _said(other, "SELECT 1")
    # suspended, and brought back
    _said(me, "BEGIN")
    _said(me, f"UPDATE {table} SET {column} = 'z', w = 1 WHERE id = 2")
    for sql in ("BEGIN", f"UPDATE {table} SET w = 2 WHERE id = 2", "ROLLBACK"):
        _said(other, sql)
    assert _said(me, f"SELECT {column} FROM {table} WHERE w = 1").rows == ((b"z",),)
    # a duplicate and a child that the snapshot shows, in a stale transaction
    _said(other, f"INSERT INTO {table} VALUES (4, 'd', 0)")
    _said(other, f"INSERT INTO {child} VALUES (2, 'd')")
    for sql, sqlstate in (
        (f"INSERT INTO {table} VALUES (5, '{value}', 0)", "23505"),
        (f"DELETE FROM {table} WHERE id = 3", "23503"),
    ):
        answer = me.ask(sql)
        assert answer.sqlstate == sqlstate, answer
        _said(me, "ROLLBACK")
        _said(me, "BEGIN")
        _said(me, "SELECT 1")
        _said(other, f"INSERT INTO {table} SELECT max(id) + 1, max(id)::text, 0 FROM {table}")
        _said(other, f"INSERT INTO {child} SELECT max(id) + 1, 'd' FROM {child}")
    # a duplicate and a child that it does not show
    for theirs, mine in (
        (
            f"INSERT INTO {table} VALUES (20, 'h{value}', 0)",
            f"INSERT INTO {table} VALUES (21, 'h{value}', 0)",
        ),
        (f"INSERT INTO {child} VALUES (20, '{value}')", f"DELETE FROM {table} WHERE id = 1"),
    ):
        _said(other, theirs)
        _said(me, mine)
        assert me.ask("COMMIT").sqlstate == "40001"
        _said(me, "BEGIN")
        _said(me, "SELECT 1")
    _said(me, "ROLLBACK")
    me.close()
    other.close()


@pytest.mark.parametrize("role", ["admin", PLAIN])
def test_a_portal_with_a_row_limit_runs_as_the_client(prepared: LocalCluster, role: str) -> None:
    """Rows fetched before a suspension show the client's own role; those after it are not read."""
    assert "portal-kept-in-part" in BY_ID
    me, other = WireSession(prepared.dsn()), WireSession(prepared.dsn())
    _said(
        me,
        "CREATE FUNCTION peek(i int) RETURNS text VOLATILE LANGUAGE sql AS $$ SELECT current_user || ':' ||"
        " session_user || ':' || current_setting('is_superuser') || ':' ||"
        " current_setting('session_replication_role') $$",
    )
    shown: set[str] = set()
    with RawEndpoint(prepared, conninfo(prepared, role)).log_in() as client:
        client.send(messages.query("BEGIN"))
        client.read(b"Z")
        client.send(messages.query("UPDATE mine SET n = 1 WHERE id = 1"))
        client.read(b"Z")
        client.send(parse("SELECT peek(i) FROM generate_series(1, 300) i"), bind("p"), execute("p", 2), SYNC)
        shown |= _values(client.read(b"Z"))
        for sql in ("BEGIN", "UPDATE mine SET n = 2 WHERE id = 1", "ROLLBACK"):
            _said(other, sql)
        client.send(execute("p", 3), SYNC)
        codes = [messages.read_fields(raw)["C"] for kind, raw in client.read(b"Z") if kind == b"E"]
        assert codes == ["40001"]
        client.send(messages.query("ROLLBACK"))
        client.read(b"Z")
    assert shown == {f"{role}:{role}:off:origin"}
    me.close()
    other.close()


def _values(frames: list[tuple[bytes, bytes]]) -> set[str]:
    errors = [messages.read_fields(raw) for kind, raw in frames if kind == b"E"]
    assert not errors, errors
    return {value or "" for kind, raw in frames if kind == b"D" for value in messages.read_row(raw)}
