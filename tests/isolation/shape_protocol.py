"""Scripts at the protocol level: COPY, pipelines, prepared statements, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.isolation.shapes import Mode, Shape, rows
from tests.local_dsql.proxy.scenarios import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

_TABLE = ("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")


def copy_in(connection: psycopg.Connection[Any]) -> object:
    """COPY rows with tabs, backslashes, NULLs."""
    with connection.cursor() as cursor:
        with cursor.copy("COPY t (id, v) FROM STDIN") as copy:
            for row in ((10, "tab\t\\."), (11, None), (12, "é\nline")):
                copy.write_row(row)
        return cursor.rowcount


def copy_in_duplicate(connection: psycopg.Connection[Any]) -> object:
    """COPY a row with a duplicate key."""
    with connection.cursor() as cursor, cursor.copy("COPY t (id, v) FROM STDIN") as copy:
        copy.write_row((20, "new"))
        copy.write_row((1, "old"))
    return None


def copy_out(connection: psycopg.Connection[Any]) -> object:
    """COPY to the client."""
    with connection.cursor() as cursor, cursor.copy("COPY t TO STDOUT") as copy:
        return sorted(bytes(each) for each in copy)


def pipeline(connection: psycopg.Connection[Any]) -> object:
    """Several statements before the first response."""
    with connection.pipeline(), connection.cursor() as one, connection.cursor() as two:
        one.execute("INSERT INTO t VALUES (30, 'p') RETURNING id")
        two.execute("UPDATE t SET v = v || '!' WHERE id = 30 RETURNING v")
        return [*one.fetchall(), *two.fetchall()]


def pipeline_with_error(connection: psycopg.Connection[Any]) -> object:
    """The second of three statements fails, the third is skipped."""
    with connection.pipeline():
        connection.execute("INSERT INTO t VALUES (31, 'p')")
        connection.execute("INSERT INTO t VALUES (1, 'duplicate')")
        connection.execute("INSERT INTO t VALUES (32, 'p')")
    return None


def prepared(number: int) -> Callable[[psycopg.Connection[Any]], object]:
    """Return a step with a statement that its first execution prepares, inside the transaction."""

    def insert_prepared(connection: psycopg.Connection[Any]) -> object:
        sql = "INSERT INTO t VALUES (%s, %s) RETURNING v"
        return connection.execute(sql, (number, f"n{number}"), prepare=True).fetchall()

    return insert_prepared


def prepared_read(connection: psycopg.Connection[Any]) -> object:
    """Run a prepared read."""
    return connection.execute("SELECT v FROM t WHERE id > %s ORDER BY id", (1,), prepare=True).fetchall()


def simple_script(connection: psycopg.Connection[Any]) -> object:
    """Several statements in one simple query."""
    cursor = connection.execute(
        "INSERT INTO t VALUES (40, 's'); UPDATE t SET v = 'S' WHERE id = 40; SELECT v FROM t WHERE id = 40"
    )
    while cursor.nextset():
        pass
    return cursor.fetchall()


def binary(connection: psycopg.Connection[Any]) -> object:
    """Request the binary format."""
    with connection.cursor(binary=True) as cursor:
        return cursor.execute("SELECT id, v FROM t ORDER BY id").fetchall()


def many(connection: psycopg.Connection[Any]) -> object:
    """Insert with one prepared statement and many parameters."""
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(n, str(n)) for n in range(50, 60)])
        return cursor.rowcount


PROTOCOL = [
    Shape(
        "COPY from and to the client",
        _TABLE,
        (
            (copy_in, 3),
            ("UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"),
            (copy_out, [b"1\tA\n", b"10\ttab\\t\\\\.\n", b"11\t\\N\n", b"12\t\xc3\xa9\\nline\n", b"2\tb\n"]),
        ),
        "SELECT id, v FROM t ORDER BY id",
        rows([1, "A"], [2, "b"], [10, "tab\t\\."], [11, None], [12, "é\nline"]),
    ),
    Shape(
        "COPY of a duplicate",
        _TABLE,
        (("UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"), (copy_in_duplicate, Error("23505"))),
        "SELECT id, v FROM t ORDER BY id",
    ),
    Shape(
        "a pipeline",
        _TABLE,
        ((pipeline, rows([30], ["p!"])), ("SELECT v FROM t WHERE id = 30", rows(["p!"]))),
        "SELECT count(*) FROM t",
        rows([3]),
    ),
    Shape(
        "a pipeline with an error in the middle",
        _TABLE,
        (("UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"), (pipeline_with_error, Error("23505"))),
        "SELECT id, v FROM t ORDER BY id",
    ),
    Shape(
        "statements prepared in the transaction",
        _TABLE,
        (
            (prepared(60), rows(["n60"])),
            (prepared_read, rows(["b"], ["n60"])),
            (prepared(61), rows(["n61"])),
            (prepared_read, rows(["b"], ["n60"], ["n61"])),
        ),
        "SELECT id FROM t ORDER BY id",
        rows([1], [2], [60], [61]),
    ),
    Shape(
        "several statements in one simple query",
        _TABLE,
        ((simple_script, rows(["S"])), (binary, rows([1, "a"], [2, "b"], [40, "S"]))),
        "SELECT count(*) FROM t",
        rows([3]),
    ),
    Shape(
        "a statement parsed, bound and executed under its name in one batch",
        _TABLE,
        (("UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"), (many, 10)),
        "SELECT count(*) FROM t",
        rows([12]),
    ),
    Shape(
        "settings of the session and of the transaction",
        _TABLE,
        (
            ("SET LOCAL TimeZone = 'Asia/Kathmandu'", "SET"),
            ("SET DateStyle = 'German, DMY'", "SET"),
            ("SET IntervalStyle = 'sql_standard'", "SET"),
            ("SET search_path = public", "SET"),
            ("SELECT '2024-02-01 00:00+00'::timestamptz::text", rows(["01.02.2024 05:45:00 +0545"])),
            ("INSERT INTO t VALUES (70, ('2024-02-01 00:00+00'::timestamptz)::text)", "INSERT 0 1"),
            (
                "SELECT v, '1 day 2 hours'::interval::text FROM t WHERE id = 70",
                rows(["01.02.2024 05:45:00 +0545", "1 2:00:00"]),
            ),
            ("SHOW TimeZone", rows(["Asia/Kathmandu"])),
        ),
        "SELECT v FROM t WHERE id = 70",
        rows(["01.02.2024 05:45:00 +0545"]),
    ),
    Shape(
        "time stands still",
        ("CREATE TABLE moment (id int PRIMARY KEY, at timestamptz)",),
        (
            ("INSERT INTO moment VALUES (1, now())", "INSERT 0 1"),
            ("SELECT pg_sleep(0.002)", rows([""])),
            ("INSERT INTO moment VALUES (2, transaction_timestamp())", "INSERT 0 1"),
            ("SELECT count(DISTINCT at) FROM moment", rows([1])),
            ("SELECT count(*) FROM moment WHERE at = now()", rows([2])),
        ),
        "SELECT count(DISTINCT at) FROM moment",
        rows([1]),
        divergences={Mode.LOST_LATE: "doomed-sees-newer-rows"},
    ),
    Shape(
        "a refused statement fails the transaction",
        _TABLE,
        (("UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"), ("TRUNCATE t", Error("0A000"))),
        "SELECT id, v FROM t ORDER BY id",
    ),
]
