"""Building blocks of client messages, from which `Composer` makes random sequences."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.wire import messages
from local_dsql.wire.message_types import FrontendMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLES = (
    "CREATE TABLE w (id int PRIMARY KEY, n int CHECK (n < 1000), t text)",
    "CREATE TABLE child (id int PRIMARY KEY, w int REFERENCES w, UNIQUE (w))",
    "CREATE TABLE k (n int, t text)",
)
DROPS = ("DROP TABLE IF EXISTS extra", "DROP TABLE child", "DROP TABLE w", "DROP TABLE k")
ROWS = (
    "DELETE FROM child; DELETE FROM w; DELETE FROM k;"
    " INSERT INTO w SELECT g, g * 10, 'text ' || g FROM generate_series(1, 6) g;"
    " INSERT INTO child VALUES (1, 1), (2, 2); INSERT INTO k VALUES (1, 'a'), (1, 'a'), (2, NULL)"
)

READS = (
    "SELECT 1",
    "SELECT id, n, t FROM w ORDER BY id",
    "SELECT * FROM w WHERE id = 2",
    "SELECT",
    "SELECT count(*), sum(n) FROM w",
    "SELECT NULL, '', 'é', true, 1.50::numeric, '\\x00ff'::bytea",
    "SELECT g, repeat('x', 40) FROM generate_series(1, 7) AS g",
    "SELECT g, repeat('x', 40) FROM generate_series(1, 1500) AS g",
    "VALUES (1, 'a'), (2, 'b')",
    "TABLE k ORDER BY n, t",
    "SELECT w.t, child.id FROM w LEFT JOIN child ON child.w = w.id ORDER BY w.id",
    "SHOW TimeZone",
    "SHOW application_name",
    "SELECT current_setting('TimeZone'), now() IS NOT NULL",
    "EXPLAIN (COSTS OFF) SELECT * FROM k",
    "SELECT id FROM w ORDER BY id FOR UPDATE",
    "WITH a AS (SELECT id FROM w) SELECT count(*) FROM a",
    "SELECT '2024-02-29'::date, '1 day 02:03'::interval, '2024-02-29 12:00Z'::timestamptz",
    "SELECT n FROM k ORDER BY n",
    "SELECT id FROM extra",
    "SELECT * FROM extra ORDER BY 1",
)
WRITES = (
    "INSERT INTO w VALUES (7, 70, 'seven')",
    "INSERT INTO w VALUES (8, 80, 'eight') RETURNING *",
    "INSERT INTO w SELECT g, g, repeat('y', 30) FROM generate_series(100, 600) g RETURNING id, t",
    "INSERT INTO w VALUES (1, 5, 'again') ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING id, n",
    "INSERT INTO w VALUES (1) ON CONFLICT DO NOTHING",
    "UPDATE w SET n = n + 1 WHERE id = 2 RETURNING n",
    "UPDATE w SET t = 'é' WHERE id > 3",
    "UPDATE w SET n = 0 WHERE false",
    "DELETE FROM w WHERE id = 6",
    "DELETE FROM w WHERE id = 5 RETURNING id, n, t",
    "DELETE FROM k WHERE n = 1",
    "INSERT INTO k VALUES (3, 'c') RETURNING t",
    "WITH gone AS (DELETE FROM w WHERE id = 4 RETURNING *) SELECT id, n FROM gone",
    "WITH made AS (INSERT INTO k VALUES (9, 'z') RETURNING n) INSERT INTO w SELECT n, n, 'nine' FROM made",
    "UPDATE child SET w = 3 WHERE id = 1",
    "INSERT INTO extra VALUES (1)",
    "SELECT set_config('TimeZone', 'Asia/Tokyo', true)",
    "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) DELETE FROM k WHERE n = 5",
)
FAULTS = (
    "SELECT 1 / 0",
    "SELECT 1 / (g - 3) FROM generate_series(1, 5) AS g",
    "SELECT nothing FROM w",
    "SELECT * FROM nowhere",
    "SELEC 1",
    "SELECT 'é', 1 +",
    "SELECT f()",
    "SELECT 'a'::int",
    "INSERT INTO w VALUES (1)",
    "INSERT INTO w VALUES (20, 2000)",
    "INSERT INTO w VALUES ('x')",
    "INSERT INTO child VALUES (9, 99)",
    "DELETE FROM w WHERE id = 1",
    "UPDATE w SET n = 1 / (id - 3) RETURNING id",
    "DELETE FROM nowhere",
    "INSERT INTO w (id, nothing) VALUES (1, 2)",
    "SET TimeZone = 'Nowhere/At all'",
    "SET DateStyle = 'Bogus'",
    "SHOW nothing",
    "COPY nowhere TO STDOUT",
    "SELECT 1 / (1400 - g), repeat('x', 40) FROM generate_series(1, 1500) AS g",
)
SETTINGS = (
    "SET TimeZone = 'Asia/Tokyo'",
    "SET LOCAL TimeZone = 'Europe/Paris'",
    "SET application_name = 'game'",
    "RESET TimeZone",
    "RESET ALL",
    "SET DateStyle = 'German'",
    "SET extra_float_digits = 0",
    "SET IntervalStyle = 'iso_8601'",
    "SET client_encoding = 'LATIN1'",
    "SET client_encoding = 'UTF8'",
    "SET CONSTRAINTS ALL DEFERRED",
    "DEALLOCATE ALL",
    "SET search_path = public",
)
CONTROLS = (
    *["BEGIN", "COMMIT", "ROLLBACK"] * 3,
    "START TRANSACTION",
    "END",
    "ABORT",
    "BEGIN READ ONLY",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "COMMIT WORK",
)
CHANGES = (
    "CREATE TABLE extra (id int)",
    "CREATE TABLE IF NOT EXISTS extra (id int)",
    "DROP TABLE extra",
    "DROP TABLE IF EXISTS extra",
    "DROP TABLE IF EXISTS nowhere",
    "ALTER TABLE w ADD COLUMN IF NOT EXISTS more int",
    "ALTER TABLE k RENAME COLUMN t TO u",
    "COMMENT ON TABLE w IS 'a table'",
    "CREATE VIEW extra AS SELECT 1 AS id",
)
COPIES_OUT = (
    "COPY (TABLE w ORDER BY id) TO STDOUT",
    "COPY (SELECT id, t FROM w ORDER BY id) TO STDOUT (FORMAT csv, HEADER)",
    "COPY (SELECT 1, NULL, 'é') TO STDOUT (FORMAT binary)",
    "COPY (SELECT g, repeat('x', 40) FROM generate_series(1, 1500) g) TO STDOUT",
    "COPY (SELECT 1 / (2 - g) FROM generate_series(1, 9) g) TO STDOUT",
)
COPIES_IN = (
    "COPY k FROM STDIN",
    "COPY w FROM STDIN (FORMAT csv)",
    "COPY w (id, t) FROM STDIN (FORMAT csv, HEADER)",
    "COPY k (n) FROM STDIN (FORMAT binary)",
    "COPY nowhere FROM STDIN",
    "COPY w (nothing) FROM STDIN",
)
COPY_ROWS = (
    *[b"31,1,a\n32,2,b\n", b"41\tone\n42\t\\N\n", b"51\n", b"61,\n"] * 3,
    b"x\n",
    b"71,7,",
    b"seven\n",
    b"1,1,again\n",
    b"\\.\n",
    b"",
    b"\xff\n",
    b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0",
    b"\0\1\0\0\0\4\0\0\0\7",
    b"\xff\xff",
    b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4\0\0\0\7\xff\xff",
)

PARAMETERS: tuple[tuple[str, tuple[bytes | None, ...]], ...] = (
    ("SELECT $1::int + 1", (b"41",)),
    ("SELECT * FROM w WHERE id = $1", (b"3",)),
    ("SELECT $1::text, $2::int", (b"\xc3\xa9", None)),
    ("INSERT INTO w VALUES ($1, $2, $3) RETURNING id", (b"12", b"120", b"twelve")),
    ("UPDATE w SET n = $2 WHERE id = $1", (b"2", b"22")),
    ("DELETE FROM w WHERE id = ANY ($1)", (b"{3,4}",)),
    ("SELECT set_config($1, $2, $3)", (b"TimeZone", b"Asia/Tokyo", b"f")),
)
"""Statements with parameters, and values of the right kind for them."""

STRANGE: tuple[bytes, ...] = (
    messages.frame(FrontendMessage.QUERY, b"SELECT 12"),
    messages.frame(FrontendMessage.QUERY, b"SELECT 1\0 2\0"),
    messages.frame(FrontendMessage.QUERY, b""),
    messages.frame(FrontendMessage.QUERY, b"SELECT '\xff'\0"),
    messages.frame(FrontendMessage.PARSE, b""),
    messages.frame(FrontendMessage.PARSE, b"s"),
    messages.frame(FrontendMessage.PARSE, b"\0SELECT 1\0"),
    messages.frame(FrontendMessage.PARSE, b"\0SELECT 1\0\0\1"),
    messages.frame(FrontendMessage.PARSE, b"\0SELECT '\xff'\0\0\0"),
    messages.frame(FrontendMessage.PARSE, b"\0SELECT 1\0\0\0more"),
    messages.frame(FrontendMessage.PARSE, b"\0SELECT 1; SELECT 2\0\0\0"),
    messages.frame(FrontendMessage.BIND, b"\0\0"),
    messages.frame(FrontendMessage.BIND, b"\0"),
    messages.frame(FrontendMessage.BIND, b"\0\0\0\0\0\1\0\0\0\4"),
    messages.frame(FrontendMessage.BIND, b"\0\0\0\0\0\0\0\1\0\7"),
    messages.frame(FrontendMessage.BIND, b"\0\0\0\3\0\0\0\0\0\0\0\0\0\0"),
    messages.frame(FrontendMessage.EXECUTE, b""),
    messages.frame(FrontendMessage.EXECUTE, b"\0"),
    messages.frame(FrontendMessage.EXECUTE, b"\0\xff\xff\xff\xff"),
    messages.frame(FrontendMessage.DESCRIBE, b""),
    messages.frame(FrontendMessage.DESCRIBE, b"X\0"),
    messages.frame(FrontendMessage.DESCRIBE, b"S"),
    messages.frame(FrontendMessage.DESCRIBE, b"Smissing\0"),
    messages.frame(FrontendMessage.DESCRIBE, b"Pmissing\0"),
    messages.frame(FrontendMessage.CLOSE, b"Smissing\0"),
    messages.frame(FrontendMessage.CLOSE, b"X\0"),
    messages.frame(FrontendMessage.CLOSE, b"P"),
    messages.frame(FrontendMessage.SYNC, b"x"),
    messages.frame(FrontendMessage.FLUSH, b"x"),
    messages.frame(FrontendMessage.COPY_DATA, b"1\n"),
    messages.frame(FrontendMessage.COPY_DONE),
    messages.frame(FrontendMessage.COPY_FAIL, b"no\0"),
    messages.frame(b"z"),
    messages.frame(FrontendMessage.PASSWORD, b"secret\0"),
    messages.frame(FrontendMessage.TERMINATE),
    messages.frame(FrontendMessage.TERMINATE, b"x"),
)
"""Messages that no driver sends."""

COMMENTS = ("", "", "", "/* é */ ", "-- begin\n", "\n\t", " /* a /* nested */ one */ ", ";")


@dataclass(frozen=True)
class Message:
    """Bytes for the server, and what a reader is told of them."""

    label: str
    data: bytes


def query(sql: str) -> Message:
    """Return a Query."""
    return Message(f"Q {sql!r}", messages.query(sql))


def parse(name: str, sql: str, types: Sequence[int] = ()) -> Message:
    """Return a Parse."""
    body = (
        messages.cstring(name) + messages.cstring(sql) + struct.pack(f"!H{len(types)}I", len(types), *types)
    )
    return Message(f"P {name!r} {sql!r} {list(types) or ''}", messages.frame(FrontendMessage.PARSE, body))


def bind(
    portal: str,
    name: str,
    values: Sequence[bytes | None] = (),
    formats: Sequence[int] = (),
    results: Sequence[int] = (),
) -> Message:
    """Return a Bind."""
    body = messages.cstring(portal) + messages.cstring(name)
    body += struct.pack(f"!H{len(formats)}H", len(formats), *formats) + struct.pack("!H", len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    body += struct.pack(f"!H{len(results)}H", len(results), *results)
    label = f"B {portal!r} {name!r} {list(values)} {list(formats)} {list(results)}"
    return Message(label[:200], messages.frame(FrontendMessage.BIND, body))


def describe(kind: str, name: str) -> Message:
    """Return a Describe of a statement (`S`) or a portal (`P`)."""
    return Message(
        f"D {kind} {name!r}", messages.frame(FrontendMessage.DESCRIBE, kind.encode() + messages.cstring(name))
    )


def execute(portal: str, limit: int = 0) -> Message:
    """Return an Execute."""
    body = messages.cstring(portal) + struct.pack("!I", limit)
    return Message(f"E {portal!r} {limit}", messages.frame(FrontendMessage.EXECUTE, body))


def close(kind: str, name: str) -> Message:
    """Return a Close of a statement (`S`) or a portal (`P`)."""
    return Message(
        f"C {kind} {name!r}", messages.frame(FrontendMessage.CLOSE, kind.encode() + messages.cstring(name))
    )


def raw(data: bytes) -> Message:
    """Return a message as it is."""
    return Message(f"{data[:1].decode(errors='replace')} raw {data[1:60]!r}", data)


SYNC = Message("S", messages.SYNC)
FLUSH = Message("H", messages.frame(FrontendMessage.FLUSH))
COPY_DONE = Message("c", messages.frame(FrontendMessage.COPY_DONE))
COPY_FAIL = Message("f", messages.frame(FrontendMessage.COPY_FAIL, messages.cstring("enough")))


def copy_data(data: bytes) -> Message:
    """Return a CopyData."""
    return Message(f"d {data!r}", messages.frame(FrontendMessage.COPY_DATA, data))
