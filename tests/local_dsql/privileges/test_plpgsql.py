"""A body in PL/pgSQL gains nothing that its caller may not do: every attempt, within bodies of every kind."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.differential.wire_session import WireSession
from tests.local_dsql.privileges.attempts import ALLOWED, ATTEMPTS
from tests.local_dsql.privileges.session_of_role import PLAIN, conninfo
from tests.local_dsql.privileges.test_attempts import IDENTITY, STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_dsql import LocalCluster

SECRET = "the secret of the server"
SINGLE = [attempt[0] for attempt in ATTEMPTS if len(attempt) == 1 and attempt[0] not in ALLOWED]
SINGLE = [sql for sql in SINGLE if not sql.startswith(("DO ", "CALL "))]
BODIES = {
    "static": "DO $a$ BEGIN {sql}; END $a$",
    "perform": "DO $a$ BEGIN PERFORM 1; {sql}; EXCEPTION WHEN unique_violation THEN {sql}; END $a$",
    "execute": "DO $a$ BEGIN EXECUTE $b$ {sql} $b$; END $a$",
    "behind another": "DO $a$ BEGIN EXECUTE $b$ SELECT 1; {sql} $b$; END $a$",
    "loop": "DO $a$ DECLARE r record; BEGIN FOR r IN EXECUTE $b$ {sql} $b$ LOOP NULL; END LOOP; END $a$",
    "cursor": "DO $a$ DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE $b$ {sql} $b$; MOVE LAST IN c; END $a$",
    "function": "SELECT run($a$ {sql} $a$)",
    "definer": "SELECT run_as_owner($a$ {sql} $a$)",
    "query": "SELECT * FROM rows_of($a$ {sql} $a$)",
    "caught": "SELECT run_and_raise($a$ {sql} $a$)",
}
FUNCTIONS = (
    "CREATE FUNCTION run(sql text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE sql; END $$",
    "CREATE FUNCTION run_as_owner(sql text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS"
    " $$ BEGIN EXECUTE sql; END $$",
    "CREATE FUNCTION rows_of(sql text) RETURNS SETOF record LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN QUERY EXECUTE sql; END $$",
    "CREATE FUNCTION run_and_raise(sql text) RETURNS void LANGUAGE plpgsql AS"
    " $$ BEGIN BEGIN EXECUTE sql; EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION 'caught'; END;"
    " RAISE NOTICE 'not refused'; END $$",
)


@pytest.fixture
def files() -> Iterator[dict[str, str]]:
    """A file that anybody may read, and the name of one that anybody could write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "secret").write_text(SECRET)
        (folder / "secret").chmod(0o644)
        yield {"secret": f"{folder}/secret", "written": f"{folder}/written"}
        assert [each.name for each in folder.iterdir()] == ["secret"]


def _made(cluster: LocalCluster) -> None:
    admin = WireSession(cluster.dsn())
    for sql in FUNCTIONS:
        assert not admin.ask(sql).failed
    admin.close()


@pytest.mark.parametrize(
    "state", ["autocommit", *(pytest.param(each, marks=pytest.mark.slow) for each in list(STATES)[1:])]
)
@pytest.mark.parametrize("role", ["admin", PLAIN])
def test_no_body_gains_anything(
    prepared_november: LocalCluster, files: dict[str, str], role: str, state: str
) -> None:
    """Every attempt is refused in every body, and the session is who it was."""
    _made(prepared_november)
    names = files | {"me": role, "other": PLAIN if role == "admin" else "admin"}
    me, other = WireSession(conninfo(prepared_november, role)), WireSession(prepared_november.dsn())
    gained: list[str] = []
    for number, attempt in enumerate(SINGLE):
        bodies = list(BODIES.items())
        if state == "autocommit":  # each attempt in one of them; the slow tests have it in all
            bodies = [bodies[(number + len(role)) % len(bodies)]]
        for kind, body in bodies:
            for who, sql in STATES[state]:
                assert not (me if who == "me" else other).ask(sql).failed
            sql = body.replace("{sql}", attempt)
            for name, value in names.items():
                sql = sql.replace(f"{{{name}}}", value)
            answer = me.ask(sql)
            if not answer.failed or answer.sqlstate.startswith(("XX", "08", "58")):
                gained.append(f"{kind}: {attempt}: {answer}")
            me.ask("ROLLBACK")
            identity = me.ask(IDENTITY)
            if identity.rows != ((role.encode(), role.encode(), b"off", b"origin"),):
                gained.append(f"{kind}: {attempt}: the session is {identity}")
    me.close()
    other.close()
    assert not gained, "\n".join(gained)


def test_a_forged_error_tells_nothing_of_rows_that_its_author_may_not_read(
    prepared_november: LocalCluster,
) -> None:
    """The engine looks for the rows that PostgreSQL's errors of foreign keys name, and for none that RAISE names."""
    admin = WireSession(prepared_november.dsn())
    for sql in (
        "CREATE TABLE parent (id int PRIMARY KEY)",
        "CREATE TABLE child (id int PRIMARY KEY, p int CONSTRAINT of_parent REFERENCES parent)",
        "INSERT INTO parent VALUES (1), (2)",
        "INSERT INTO child VALUES (1, 1)",
    ):
        assert not admin.ask(sql).failed
    me = WireSession(conninfo(prepared_november, PLAIN))
    answers = set()
    for guess in (1, 2, 3):
        me.ask("BEGIN")
        me.ask("SELECT 1")
        assert not admin.ask(f"INSERT INTO child VALUES ({guess + 10}, 2)").failed
        answer = me.ask(
            'DO $$ BEGIN RAISE foreign_key_violation USING MESSAGE = \'update or delete on table "parent" violates'
            " foreign key constraint \"of_parent\" on table \"child\"', SCHEMA = 'public', TABLE = 'child',"
            f" CONSTRAINT = 'of_parent', DETAIL = 'Key (id)=({guess}) is still referenced"
            ' from table "child".\'; END $$'
        )
        answers.add(answer.sqlstate)
        me.ask("ROLLBACK")
    assert answers == {"23503"}
    me.close()
    admin.close()


def test_the_guards_tell_nothing_of_rows_that_their_caller_may_not_read(
    prepared_november: LocalCluster,
) -> None:
    admin = WireSession(prepared_november.dsn())
    assert not admin.ask("CREATE TABLE hidden (id int PRIMARY KEY)").failed
    assert not admin.ask("INSERT INTO hidden VALUES (1)").failed
    me = WireSession(conninfo(prepared_november, PLAIN))
    answers = {
        me.ask(
            f"SELECT local_dsql_engine.is_conflict('23505', '', 'Key (id)=({guess}) already exists.', 'public',"
            " 'hidden', 'hidden_pkey', '')"
        ).rows
        for guess in (1, 2)
    }
    assert answers == {((b"t",),)}
    me.close()
    admin.close()


PARAMETER = "log_parameter_max_length_on_error"


@pytest.mark.parametrize(
    "sql",
    [
        f"SET {PARAMETER} = -1",
        f"SELECT set_config('{PARAMETER}', '-1', false)",
        f"CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql SET {PARAMETER} = '-1' AS $$ BEGIN RETURN 1; END $$",
        f"ALTER ROLE admin SET {PARAMETER} = '-1'",
        f"DO $$ BEGIN SET {PARAMETER} = -1; END $$",
        f"DO $$ BEGIN EXECUTE 'SET {PARAMETER} = -1'; END $$",
        f"DO $$ BEGIN PERFORM set_config('{PARAMETER}', '-1', true); END $$",
    ],
)
def test_no_body_sees_the_values_of_the_engine(prepared_november: LocalCluster, sql: str) -> None:
    """With this parameter PG_EXCEPTION_CONTEXT would show the token that the engine binds, to code in tables."""
    admin = WireSession(prepared_november.dsn())
    assert admin.ask(sql).sqlstate == "0A000"
    assert admin.ask(f"SHOW {PARAMETER}").failed or admin.ask(f"SHOW {PARAMETER}").rows == ((b"0",),)
    admin.close()
