"""Known differences of PL/pgSQL are as the registry says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dsql_dialect import parse, profile
from local_dsql.divergences import BY_ID
from tests.local_dsql.plpgsql.test_cases import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local_dsql.plpgsql.conftest import PlpgsqlCluster

SHOWN_BY = {
    "handled-violations-beside-others": ("handler-of-a-key-made-in-the-same-block-beside-others",),
    "undone-change-conflicts": ("exception-undoes-a-change-of-a-newer-row",),
    "cancellations-pass-handlers": ("raise-with-the-text-of-a-cancellation",),
    "limit-at-statement-end": ("rows-caught-in-the-loop",),
    "procedure-runs-alone": ("procedure-runs-alone", "rows-per-internal-transaction"),
    "plpgsql-unknown": ("body-ddl", "body-set", "do-commit", "procedure-sql-language", "procedure-alter"),
}
"""The cases that show a difference."""


def test_cases_show_differences() -> None:
    known = {case["id"] for case in CASES}
    assert SHOWN_BY.keys() <= BY_ID.keys()
    assert all(known.issuperset(cases) for cases in SHOWN_BY.values())


@pytest.fixture
def admin(november: PlpgsqlCluster) -> Iterator[psycopg.Connection[Any]]:
    with november.connect() as connection:
        connection.execute("CREATE TABLE kept (k numeric, l numeric, v text, PRIMARY KEY (k, l))")
        connection.execute("CREATE UNIQUE INDEX ASYNC kept_v ON kept (v)")
        connection.execute(
            "CREATE FUNCTION put(k numeric, l numeric, v text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO kept VALUES (k, l, v); RETURN 'made'; EXCEPTION WHEN unique_violation THEN RETURN 'kept';"
            " END $$"
        )
        yield connection
        connection.execute("DROP FUNCTION put")
        connection.execute("DROP TABLE kept")


def test_keys_are_compared_by_value(admin: psycopg.Connection[Any]) -> None:
    answers = [
        admin.execute("SELECT put(%s, %s, %s)", values).fetchone()
        for values in ((1, 1, "a, b"), ("1.0", "1.00", "c"), (2, 2, "a, b"), (3, 3, "null"), (4, 4, "null"))
    ]
    assert [row[0] for row in answers if row] == ["made", "kept", "kept", "made", "kept"]


def test_keys_that_cannot_be_taken_apart_are_compared_as_text(
    admin: psycopg.Connection[Any], november: PlpgsqlCluster
) -> None:
    """Shows `handled-violations-beside-others`: the handler runs, but the transaction conflicts if others write."""
    admin.execute("CREATE TABLE pairs (k text, l numeric, PRIMARY KEY (k, l))")
    admin.execute(
        "CREATE FUNCTION pair(k text, l numeric) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO pairs VALUES"
        " (k, l); RETURN 'made'; EXCEPTION WHEN unique_violation THEN RETURN 'kept'; END $$"
    )
    try:
        made = [admin.execute("SELECT pair('a, b', %s)", (value,)).fetchone() for value in (1, 1, "1.0")]
        assert made == [("made",), ("kept",), ("kept",)]
        with november.connect(autocommit=False) as me:
            me.execute("SELECT count(*) FROM pairs")
            admin.execute("INSERT INTO kept VALUES (1, 1, 'a')")
            assert me.execute("SELECT pair('a, b', 1.0)").fetchone() == ("kept",)
            me.execute("UPDATE pairs SET l = 2")
            with pytest.raises(psycopg.errors.SerializationFailure):
                me.commit()
    finally:
        admin.execute("DROP FUNCTION pair")
        admin.execute("DROP TABLE pairs")


def test_bodies_are_shown_as_they_were_written(admin: psycopg.Connection[Any]) -> None:
    """Only prosrc has the guards: `guards-in-prosrc`. A dump with it has the same effect as the text."""
    (source,), (definition,) = admin.execute(
        "SELECT prosrc FROM pg_proc WHERE proname = 'put' UNION ALL SELECT pg_get_functiondef('put'::regproc)"
    ).fetchall()
    assert "local_dsql" in source
    assert "local_dsql" not in definition
    arguments = "k numeric, l numeric, v text"
    dumped = f"CREATE OR REPLACE FUNCTION put({arguments}) RETURNS text LANGUAGE plpgsql AS $x${source}$x$"
    admin.execute(dumped)
    assert admin.execute("SELECT prosrc FROM pg_proc WHERE proname = 'put'").fetchone() == (source,)
    assert parse(dumped.replace("THEN RAISE;", "THEN NULL;"), profile("2026-11")).findings


def test_a_cursor_is_lost_at_a_suspension(admin: psycopg.Connection[Any], november: PlpgsqlCluster) -> None:
    """Shows `cursor-lost-at-suspension`."""
    admin.execute("INSERT INTO kept VALUES (1, 1, 'a')")
    admin.execute(
        "CREATE FUNCTION opened() RETURNS void LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'mine'; BEGIN"
        " OPEN c FOR SELECT 7; END $$"
    )
    admin.execute(
        "CREATE FUNCTION fetched() RETURNS int LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'mine'; i int; BEGIN"
        " FETCH c INTO i; RETURN i; END $$"
    )
    try:
        with november.connect() as other, november.connect(autocommit=False) as me:
            me.execute("SELECT opened()")
            assert me.execute("SELECT fetched()").fetchone() == (7,)
            me.rollback()
            me.execute("UPDATE kept SET v = 'b'")
            me.execute("SELECT opened()")
            other.execute("BEGIN")
            other.execute("UPDATE kept SET v = 'c'")
            other.execute("ROLLBACK")
            with pytest.raises(psycopg.errors.InvalidCursorName):
                me.execute("SELECT fetched()")
    finally:
        admin.execute("DROP FUNCTION opened")
        admin.execute("DROP FUNCTION fetched")


def test_a_call_that_commits_fails_in_a_pipeline(
    admin: psycopg.Connection[Any], november: PlpgsqlCluster
) -> None:
    """Shows `call-in-pipeline`: PostgreSQL runs the same messages."""
    admin.execute(
        "CREATE PROCEDURE committing() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO kept VALUES (1, 1, 'a'); COMMIT;"
        " INSERT INTO kept VALUES (2, 2, 'b'); ROLLBACK; END $$"
    )

    def send(connection: psycopg.Connection[Any]) -> int:
        with connection.pipeline():
            connection.execute("SELECT 1")
            connection.execute("CALL committing()")
        row = admin.execute("SELECT count(*)::int FROM kept").fetchone()
        return -1 if row is None else int(row[0])

    try:
        with pytest.raises(psycopg.errors.InvalidTransactionTermination) as refused:
            send(admin)
        assert "not in a pipeline" in (refused.value.diag.message_hint or "")
        with november.direct() as postgres:
            assert send(postgres) == 1
        admin.execute("DELETE FROM kept")
        with admin.pipeline():
            admin.execute("CALL committing()")
        assert admin.execute("SELECT array_agg(v) FROM kept").fetchone() == (["a"],)
    finally:
        admin.execute("DROP PROCEDURE committing")


@pytest.mark.parametrize("of_domain", [False, True], ids=["of a table", "of a domain"])
def test_a_check_that_writes_conflicts_at_a_suspension_if_a_domain_has_it(
    admin: psycopg.Connection[Any], november: PlpgsqlCluster, *, of_domain: bool
) -> None:
    """Shows `checks-run-again`."""
    admin.execute("CREATE SEQUENCE numbers CACHE 1")
    admin.execute(
        "CREATE FUNCTION noted(k int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO kept VALUES (k, nextval('numbers')); RETURN true; END $$"
    )
    if of_domain:
        admin.execute("CREATE DOMAIN noting AS int CHECK (noted(value))")
    column = "noting" if of_domain else "int CHECK (noted(k))"
    admin.execute(f"CREATE TABLE checked (id int PRIMARY KEY, k {column})")
    seen = "SELECT k::int FROM kept ORDER BY k"
    try:
        admin.execute("INSERT INTO checked VALUES (1, 1)")
        with november.connect(autocommit=False) as me:
            me.execute("UPDATE checked SET k = 2")
            assert me.execute(seen).fetchall() == [(1,), (2,)]
            admin.execute("BEGIN")
            admin.execute("UPDATE checked SET k = 3")
            admin.execute("ROLLBACK")
            if of_domain:
                assert me.execute(seen).fetchall()[:3] == [(1,), (2,), (2,)]
                with pytest.raises(psycopg.errors.SerializationFailure):
                    me.commit()
                assert admin.execute(seen).fetchall() == [(1,)]
                me.execute("UPDATE checked SET k = 2")
            else:
                assert me.execute(seen).fetchall() == [(1,), (2,)]
            me.commit()
        assert admin.execute(seen).fetchall() == [(1,), (2,)]
    finally:
        admin.execute("DROP TABLE checked")
        admin.execute("DROP DOMAIN IF EXISTS noting")
        admin.execute("DROP FUNCTION noted")
        admin.execute("DROP SEQUENCE numbers")
