"""Sequences of messages whose answers once differed between the proxy and PostgreSQL, minimized."""

from __future__ import annotations

from local_dsql.wire import messages
from local_dsql.wire.message_types import FrontendMessage
from tests.local_dsql.proxy.wire_blocks import (
    COPY_DONE,
    COPY_FAIL,
    FLUSH,
    SYNC,
    Message,
    bind,
    close,
    copy_data,
    describe,
    execute,
    parse,
    query,
    raw,
)

RUN = [bind("", ""), execute("")]
SELECT = "SELECT id FROM w ORDER BY id"
INSERT = "INSERT INTO w VALUES (7, 70, 'seven')"
INSERT_MANY = "INSERT INTO w SELECT g, g FROM generate_series(7, 11) g RETURNING id"
LATIN1 = "SET client_encoding = 'LATIN1'"
TOKYO = "SET TimeZone = 'Asia/Tokyo'"

CASES: dict[str, list[list[Message]]] = {
    # names
    "a Query takes the unnamed statement away": [
        [parse("", "SELECT 1"), SYNC],
        [query("SELECT 2")],
        [*RUN, SYNC],
    ],
    "a Query that fails does, too": [[parse("", "SELECT 1"), SYNC], [query("SELEC")], [*RUN, SYNC]],
    "a Parse that fails does, too": [
        [parse("", "SELECT 1"), SYNC],
        [parse("", "SELECT nothing"), SYNC],
        [*RUN, SYNC],
        [describe("S", ""), SYNC],
    ],
    "the unnamed statement is described when ours have taken it away": [
        [query("BEGIN")],
        [parse("", SELECT), SYNC],
        [parse("s", INSERT), bind("", "s"), execute(""), SYNC],
        [describe("S", ""), SYNC],
    ],
    "a name stays where its Close has not been reached": [
        [parse("s", "SELECT 1"), SYNC],
        [bind("", "missing"), close("S", "s"), SYNC],
        [bind("", "s"), execute(""), SYNC],
    ],
    "unknown names": [
        [bind("", "missing"), SYNC],
        [bind("", ""), SYNC],
        [describe("S", "missing"), SYNC],
        [describe("S", ""), SYNC],
        [describe("P", "missing"), SYNC],
        [execute("missing"), SYNC],
    ],
    "what comes before an unknown name is answered": [[parse("s", "SELECT 1"), bind("", "missing"), SYNC]],
    "a portal outlives its transaction not": [
        [parse("", SELECT), bind("p", ""), execute("p", 1), SYNC],
        [execute("p"), SYNC],
    ],
    "COMMIT has a name": [
        [query("BEGIN")],
        [parse("c", "COMMIT"), bind("", "c"), execute(""), SYNC],
        [query("BEGIN")],
        [bind("", "c"), describe("P", ""), execute(""), SYNC],
        [parse("c", "SELECT 1"), SYNC],
        [bind("", "c"), execute(""), SYNC],
    ],
    "BEGIN and COMMIT without a name are bound once more": [
        [parse("", "BEGIN"), *RUN, SYNC],
        [parse("", "COMMIT"), bind("", ""), describe("P", ""), execute(""), SYNC],
        [*RUN, SYNC],
        [parse("", "BEGIN"), bind("", ""), describe("P", ""), execute(""), SYNC],
        [*RUN, SYNC],
        [describe("S", ""), SYNC],
        [execute(""), SYNC],
        [query("COMMIT")],
        [*RUN, SYNC],
    ],
    "BEGIN with values": [
        [parse("b", "BEGIN"), parse("c", "COMMIT"), SYNC],
        [bind("", "b", [b"1"]), describe("P", ""), execute(""), SYNC],
        [bind("", "b"), describe("P", ""), execute(""), SYNC],
        [bind("", "b"), describe("P", ""), execute(""), SYNC],
        [bind("", "c", [b"1"]), describe("P", ""), execute(""), SYNC],
        [bind("", "c"), describe("P", ""), execute(""), SYNC],
        [bind("", "c"), describe("P", ""), execute(""), SYNC],
    ],
    "COMMIT has a name, and fails": [
        [parse("b", "BEGIN"), parse("c", "COMMIT"), SYNC],
        [bind("", "b"), describe("P", ""), execute(""), SYNC],
        [parse("", "SELECT 1 / 0"), *RUN, SYNC],
        [bind("", "c"), describe("P", ""), execute(""), SYNC],
        [bind("", "b"), describe("P", ""), execute(""), SYNC],
        [parse("", SELECT), bind("p", ""), execute("p", 1), SYNC],
        [bind("", "c"), describe("P", ""), execute(""), SYNC],
        [execute("p"), SYNC],
    ],
    "ROLLBACK has a name, and has failed": [
        [query("BEGIN; SELECT 1 / 0")],
        [parse("r", "ROLLBACK"), bind("", "r"), execute(""), SYNC],
        [bind("", "r"), execute(""), SYNC],
    ],
    "parameters for COMMIT": [[query("BEGIN")], [parse("", "COMMIT"), bind("", "", (b"1",)), SYNC]],
    "SHOW of DSQL's version has a name": [
        [parse("v", "SHOW server_version"), SYNC],
        [parse("v", "SELECT 1"), SYNC],
    ],
    "the unnamed statement beside another Parse": [
        [parse("", "SELECT 1"), SYNC],
        [parse("s", "SELECT 2"), bind("", ""), execute(""), SYNC],
        [parse("", "SELECT 3"), parse("r", "SELECT 4"), bind("", ""), execute(""), SYNC],
    ],
    "the unnamed statement after a BEGIN that could not be bound": [
        [parse("", "BEGIN"), bind("", "", (b"1",)), execute(""), SYNC],
        [bind("", ""), execute(""), SYNC],
    ],
    "a Parse that fails after a Close": [
        [close("S", ""), parse("", "SELECT 1 +"), SYNC],
        [describe("S", ""), SYNC],
    ],
    "a Parse that cannot be read leaves the unnamed statement": [
        [parse("", "SELECT 1"), SYNC],
        [raw(messages.frame(FrontendMessage.PARSE, b"\0SELECT 2\0")), SYNC],
        [*RUN, SYNC],
    ],
    "DEALLOCATE ALL takes its own name away": [
        [parse("s", "DEALLOCATE ALL"), bind("", "s"), execute(""), SYNC],
        [parse("s", "INSERT INTO k VALUES (9)"), bind("", "s"), execute(""), SYNC],
        [bind("", "s"), execute(""), SYNC],
    ],
    "the name of a prepared statement that changes the schema is taken": [
        [parse("s", "COMMENT ON TABLE w IS 'a table'"), SYNC],
        [parse("s", "SELECT id FROM w"), bind("", "s"), execute(""), SYNC],
        [bind("", "s"), execute(""), SYNC],
    ],
    "a portal's name is taken": [
        [query("BEGIN"), query("UPDATE w SET n = n")],
        [parse("", "SHOW TimeZone"), bind("p", ""), SYNC],
        [parse("s", "SELECT 1"), bind("p", "s"), SYNC],
    ],
    # portals
    "BEGIN is bound, and run later": [[parse("", "BEGIN"), bind("", ""), FLUSH], [execute(""), SYNC]],
    "BEGIN is run twice": [[parse("", "BEGIN"), bind("p", ""), execute("p"), execute("p"), SYNC]],
    "a portal is bound, and its statement parsed anew": [
        [parse("", "COMMIT"), SYNC],
        [bind("", ""), parse("", "SELECT 1"), describe("P", ""), SYNC],
    ],
    "a write is bound, and run later": [
        [query("BEGIN")],
        [parse("", INSERT_MANY), bind("", ""), SYNC],
        [execute("", 2), SYNC],
        [execute("", 2), SYNC],
        [execute(""), SYNC],
    ],
    "a lone write gives some of its rows": [
        [parse("", INSERT_MANY), bind("", ""), execute("", 2), execute(""), SYNC]
    ],
    "locked rows, some at a time": [
        [query("BEGIN")],
        [parse("", f"{SELECT} FOR UPDATE"), bind("", ""), execute("", 2), SYNC],
        [execute("", 2), SYNC],
        [execute(""), SYNC],
    ],
    "a write in a CTE is bound, and run later": [
        [
            *[
                parse(
                    "r",
                    "WITH made AS (INSERT INTO k VALUES (9) RETURNING n) INSERT INTO w SELECT n, n FROM made",
                )
            ],
            *[bind("", "r"), parse("", "SELECT 1"), execute(""), SYNC],
        ]
    ],
    "an explained write, some lines at a time": [
        [
            parse("", "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) DELETE FROM k WHERE n = 5"),
            bind("", ""),
            execute("", 1),
            execute(""),
            SYNC,
        ]
    ],
    "a parameter is set by a portal with a limit": [
        [
            parse("", "SELECT set_config('TimeZone', 'Asia/Tokyo', false)"),
            bind("", ""),
            execute("", 1),
            execute("", 1),
            SYNC,
        ]
    ],
    "a parameter is set by a portal that is run later": [
        [
            *[parse("", "SELECT set_config('TimeZone', 'Asia/Tokyo', false)"), bind("", "")],
            *[parse("", "SELECT 1"), execute(""), SYNC],
        ]
    ],
    "BEGIN is bound, run and described": [[parse("", "BEGIN"), *RUN, describe("P", ""), SYNC]],
    "BEGIN is parsed, and run later": [[parse("", "BEGIN"), SYNC], [*RUN, SYNC]],
    "a write without rows is run twice": [
        [query("BEGIN")],
        [parse("", "DELETE FROM k"), bind("p", ""), execute("p"), SYNC],
        [execute("p"), SYNC],
    ],
    # errors
    "places in a text of several": [
        [query("SELECT 1; /* é */ SELECT nothing; SELECT 2")],
        [query("SELECT 1; INSERT INTO w (nothing) VALUES (1)")],
        [query("/* é */ SELECT nothing")],
        [query("SELECT 1; COPY w (nothing) FROM STDIN")],
    ],
    "a statement that ends too soon": [
        [query("SELECT 1 +;")],
        [query("SELECT 1 + /* more */ ; SELECT 2")],
        [query("SELECT 1 + -- end")],
        [query("SELECT 1; SELECT 1 + ")],
        [parse("", "SELECT 1 + ;"), SYNC],
    ],
    "no SQL in a transaction that has failed": [
        [query("BEGIN; SELECT 1 / 0")],
        [query("SELEC 1")],
        [query("SELECT 1; SELEC 1")],
        [parse("", "SELEC 1"), SYNC],
        [query("SELECT 1; ROLLBACK")],
        [query("ROLLBACK; SELECT 1")],
    ],
    "prepared in a transaction that has failed": [
        [parse("s", "SELECT $1::int"), parse("i", INSERT), parse("c", "COMMIT"), SYNC],
        [query("BEGIN; SELECT 1 / 0")],
        [parse("", "SELECT 1"), SYNC],
        [parse("", ""), *RUN, SYNC],
        [bind("", "missing"), SYNC],
        [bind("", "s"), SYNC],
        [bind("", "s", (b"1",)), SYNC],
        [describe("S", "s"), SYNC],
        [describe("S", "i"), SYNC],
        [close("S", "s"), SYNC],
        [parse("", "COMMIT"), describe("S", ""), *RUN, SYNC],
    ],
    "a Query is ignored until Sync": [
        [bind("", "missing"), query("SELECT 1"), FLUSH, SYNC],
        [query("SELECT 2")],
    ],
    "a Query without a Sync before it": [[parse("", INSERT), *RUN, query("SELECT count(*) FROM w")], [SYNC]],
    "a Parse that fails takes a setting back": [[parse("", TOKYO), *RUN, parse("", "SELEC"), SYNC]],
    "an error in a write takes a setting back": [
        [query("BEGIN"), query(TOKYO), query("INSERT INTO k VALUES (1)")],
        [query("INSERT INTO w VALUES (1)")],
        [query("ROLLBACK")],
    ],
    "an error in a read takes a setting back": [
        [query("BEGIN"), query(f"{SELECT} FOR UPDATE"), query(TOKYO)],
        [query("SELECT 1 / 0")],
        [query("ROLLBACK")],
    ],
    "a refused COPY takes a setting back": [
        [query("BEGIN READ ONLY"), query("SET LOCAL TimeZone = 'Asia/Tokyo'")],
        [query("COPY k FROM STDIN")],
        [query("ROLLBACK")],
    ],
    "an unknown name takes a setting back": [
        [query("BEGIN"), query(TOKYO)],
        [bind("", "missing"), SYNC],
        [query("ROLLBACK")],
    ],
    # transactions
    "COMMIT and ROLLBACK of no transaction, amid a text": [
        [query("SELECT 1; COMMIT; SELECT 2; ROLLBACK")],
        [query(f"{INSERT}; COMMIT; SELECT 1 / 0")],
        [query(SELECT)],
    ],
    "COMMIT and ROLLBACK of no transaction, amid a pipeline": [
        [parse("", INSERT), *RUN, parse("", "COMMIT"), *RUN, parse("", "ROLLBACK"), *RUN, SYNC]
    ],
    "START TRANSACTION amid a text": [[query("SELECT 1; START TRANSACTION; SELECT 2")], [query("COMMIT")]],
    "BEGIN READ ONLY amid a text": [
        [query(f"{INSERT}; BEGIN READ ONLY; SELECT 2")],
        [query("DELETE FROM k")],
    ],
    "BEGIN READ ONLY in a transaction": [
        [query("BEGIN; UPDATE w SET n = n")],
        [query("BEGIN READ ONLY")],
        [query("DELETE FROM k")],
    ],
    "BEGIN READ WRITE in a READ ONLY transaction": [
        [query("BEGIN READ ONLY")],
        [query("BEGIN READ WRITE")],
        [query("DELETE FROM k")],
        [query("COMMIT; BEGIN READ ONLY; BEGIN READ WRITE; DELETE FROM w WHERE id = 1; COMMIT")],
    ],
    "BEGIN READ WRITE in a READ ONLY transaction, extended": [
        [parse("", "BEGIN READ ONLY"), *RUN, SYNC],
        [parse("", "BEGIN READ WRITE"), *RUN, SYNC],
        [query("DELETE FROM k")],
    ],
    "modes of a transaction are changed three times": [
        *[
            [query("BEGIN")],
            [query("BEGIN READ ONLY")],
            [query("BEGIN READ WRITE")],
            [query("BEGIN READ ONLY")],
        ],
        [query("DELETE FROM k")],
    ],
    "SET between two BEGINs": [
        [query("BEGIN READ ONLY")],
        [query("SET application_name = 'between'")],
        [query("SET LOCAL TimeZone = 'Asia/Tokyo'")],
        [query("BEGIN READ WRITE")],
        [query("DELETE FROM w WHERE id = 1")],
        [query("SHOW application_name"), query("SHOW TimeZone")],
        [query("ROLLBACK")],
        [query("SHOW application_name"), query("SHOW TimeZone")],
    ],
    "SET LOCAL amid a pipeline": [
        [
            *[parse("", "SELECT 1"), *RUN],
            *[parse("", "SET LOCAL TimeZone = 'Asia/Tokyo'"), *RUN],
            *[parse("", "SET CONSTRAINTS ALL DEFERRED"), *RUN],
            SYNC,
        ]
    ],
    # COPY
    "COPY, extended": [
        [parse("", "COPY k FROM STDIN"), *RUN, SYNC],
        [copy_data(b"41\tone\n"), COPY_DONE, SYNC],
        [query("TABLE k ORDER BY n")],
    ],
    "COPY, extended, with a Flush": [
        [parse("", "COPY k FROM STDIN"), *RUN, FLUSH],
        [copy_data(b"41\tone\n"), COPY_DONE, SYNC],
    ],
    "COPY, extended, all at one go": [
        [
            parse("", "COPY k FROM STDIN"),
            *RUN,
            copy_data(b"41\tone\n"),
            COPY_DONE,
            parse("", "SELECT 1"),
            *RUN,
            SYNC,
        ],
        [query("TABLE k ORDER BY n")],
    ],
    "COPY, extended, that fails": [
        [parse("", "COPY k FROM STDIN"), *RUN, COPY_FAIL, parse("", "SELECT 1"), *RUN, SYNC],
        [bind("", ""), SYNC],
    ],
    "COPY, bound before": [
        [parse("", "COPY k FROM STDIN"), SYNC],
        [bind("", ""), FLUSH],
        [execute(""), SYNC],
        [copy_data(b"41\tone\n"), COPY_DONE, SYNC],
    ],
    "a Query amid the rows of a COPY": [
        [query("COPY k FROM STDIN")],
        [copy_data(b"1\ta\n"), query("SELECT 1")],
    ],
    # messages
    "texts that do not end": [
        [parse("", "SELECT 1"), SYNC],
        [raw(messages.frame(FrontendMessage.QUERY, b"SELECT 12")), bind("", ""), SYNC],
        [raw(messages.frame(FrontendMessage.QUERY, b"SELECT 12"))],
        [raw(messages.frame(FrontendMessage.QUERY, b"SELECT 1\0 2\0"))],
        [raw(messages.frame(FrontendMessage.PARSE, b"s")), SYNC],
        [raw(messages.frame(FrontendMessage.DESCRIBE, b"S")), SYNC],
        [raw(messages.frame(FrontendMessage.EXECUTE, b"\0")), SYNC],
    ],
    "subtypes that are none": [
        [raw(messages.frame(FrontendMessage.DESCRIBE, b"X\0")), SYNC],
        [raw(messages.frame(FrontendMessage.CLOSE, b"X\0")), SYNC],
        [raw(messages.frame(FrontendMessage.DESCRIBE, b"")), SYNC],
    ],
    "too long a Sync, too long a Flush": [
        [raw(messages.frame(FrontendMessage.SYNC, b"x"))],
        [raw(messages.frame(FrontendMessage.FLUSH, b"x")), SYNC],
        [query("SELECT 1")],
    ],
    "a message of no type": [[raw(messages.frame(b"z"))]],
    "a message of no type, after others": [[parse("", "SELECT 1"), *RUN, raw(messages.frame(b"z"))]],
    # sizes
    "65,535 parameters": [
        [parse("s", "SELECT $65535, $1", [23] * 65535), describe("S", "s"), SYNC],
        [bind("", "s", [None, *[b"7"] * 65534]), execute(""), SYNC],
        [bind("", "s", [b"1"] * 65534), SYNC],
    ],
    "a long text": [
        [query(f"SELECT length('{'é' * 200_000}'), nothing")],
        [query(f"SELECT length('{'é' * 200_000}')")],
        [query("SELECT 1;" * 1000)],
        [query("SELECT 1;" * 500 + "SELECT nothing")],
    ],
    # a changed schema
    "a plan whose result has changed": [
        [parse("s", "SELECT * FROM w"), parse("i", "INSERT INTO k VALUES (8) RETURNING *"), SYNC],
        [query("ALTER TABLE w ADD COLUMN more int")],
        [query("ALTER TABLE k ADD COLUMN more int")],
        [bind("", "s"), describe("P", ""), execute(""), SYNC],
        [bind("", "i"), execute(""), SYNC],
        [query("BEGIN")],
        [bind("", "s"), SYNC],
        [query("COMMIT")],
        [describe("S", "s"), SYNC],
    ],
    # encodings
    "no UTF-8": [
        [raw(messages.frame(FrontendMessage.QUERY, b"SELECT '\xff'\0"))],
        [raw(messages.frame(FrontendMessage.QUERY, b"SELECT '\xe9 '\0"))],
        [raw(messages.frame(FrontendMessage.PARSE, b"\0SELECT '\xff'\0\0\0")), SYNC],
        [raw(messages.frame(FrontendMessage.BIND, b"\xff\0\0\0\0\0\0\0\0")), SYNC],
    ],
    "LATIN1": [
        [query(LATIN1)],
        [raw(messages.frame(FrontendMessage.QUERY, b"SELECT '\xe9', nothing\0"))],
        [
            raw(
                messages.frame(
                    FrontendMessage.QUERY, b"INSERT INTO w VALUES (7, 7, '\xe9') RETURNING t; SELECT '\xe9'\0"
                )
            )
        ],
        [raw(messages.frame(FrontendMessage.PARSE, b"\0SELECT '\xe9'\0\0\0")), *RUN, SYNC],
    ],
    "LATIN1 from within a text": [
        [query(f"{LATIN1}; SELECT 'é'")],
        [query("RESET ALL")],
        [query("SELECT 'é'")],
    ],
}


SUSPENDED: dict[str, list[list[Message]]] = {
    "a portal is bound again before Sync": [
        [parse("", "SELECT * FROM w WHERE id = $1"), bind("p", "", [b"3"]), execute("p"), FLUSH],
        [parse("r", "INSERT INTO k VALUES (3, 'c') RETURNING t"), bind("p", "r")],
    ],
    "a completed portal is bound again": [
        [parse("", "UPDATE w SET n = 0 WHERE false"), bind("q", ""), execute("q"), FLUSH],
        [bind("q", "", [], [], [1])],
    ],
    "a completed portal is bound to another statement": [
        [
            *[parse("s", "DELETE FROM w WHERE id = ANY ($1)"), bind("p", "s", [b"{3,4}"]), execute("p", 2)],
            *[parse("", "ALTER TABLE k RENAME COLUMN t TO u"), bind("p", "")],
        ],
    ],
    "the unnamed portal is bound to an unknown statement": [
        [parse("r", SELECT), bind("", "r"), execute("", 500), bind("", "")]
    ],
    "a completed portal is executed behind another message": [
        [parse("", ""), bind("q", ""), execute("q"), FLUSH],
        [describe("S", ""), execute("q", 1)],
    ],
    "an empty text is executed twice": [[parse("", "")], [bind("", ""), execute("", 2), execute("", 1)]],
    "a portal is described between its rows": [
        [parse("r", "SELECT 1"), bind("q", "r", [], [], [1]), execute("q", 1), describe("P", "q")]
    ],
    "a portal is read exactly to its last row": [
        [
            *[parse("", "VALUES (1, 'a'), (2, 'b')"), bind("", ""), execute("", 1), execute("", 1)],
            *[describe("P", ""), execute("", 2), execute("", 1)],
        ]
    ],
    "a completed portal with RETURNING": [
        [
            parse("", "INSERT INTO w VALUES ($1, $2, $3) RETURNING id"),
            *[bind("", "", [b"12", b"120", b"twelve"]), execute("", 2), describe("P", ""), execute("")],
        ]
    ],
    "completed portals of every kind": [
        [
            message
            for sql in (
                "SELECT id FROM w WHERE id < 3",
                "UPDATE w SET n = n WHERE id < 3 RETURNING id",
                "DELETE FROM w WHERE id = 5 RETURNING id",
                "EXPLAIN (COSTS OFF) SELECT 1",
                "SHOW TimeZone",
            )
            for message in (parse("", sql), bind("", ""), *[execute(""), describe("P", ""), execute("")])
        ]
    ],
    "a portal whose unnamed statement is replaced": [
        [
            parse("", "SELECT set_config($1, $2, $3)"),
            *[bind("", "", [b"TimeZone", b"Asia/Tokyo", b"f"]), parse("", "SET client_encoding = 'UTF8'")],
            execute(""),
        ]
    ],
}
"""The same in a transaction that is suspended after each statement."""

TAKEN_NAMES: dict[str, list[list[Message]]] = {
    "BEGIN has the name": [
        [parse("r", "BEGIN"), bind("", "r"), execute("")],
        [parse("r", "UPDATE w SET n = $2 WHERE id = $1"), bind("", "r", [b"2", b"22"]), execute("")],
    ],
    "SET has the name": [
        [parse("s", "SET client_encoding = 'UTF8'")],
        [query("BEGIN")],
        [parse("s", "UPDATE w SET n = n + 1 WHERE id = 2 RETURNING n"), bind("", "s"), execute("")],
    ],
    "another write has the name": [
        [parse("s", "DELETE FROM w")],
        [parse("s", "UPDATE w SET n = n + 1 WHERE id = 2 RETURNING n"), bind("", "s"), execute("")],
    ],
}
"""A Parse of a name that a statement has: PostgreSQL refuses it, so the name does not refer to the new text."""
CASES |= TAKEN_NAMES
