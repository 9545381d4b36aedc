"""Conflict scenarios of two and three sessions, on tables of all kinds, with DSQL's responses."""

from __future__ import annotations

from dataclasses import dataclass

from tests.local_dsql.proxy.scenarios import ANY, OC000, Error, Scenario, scenario

TABLES = (
    "CREATE TABLE t (id int PRIMARY KEY, v text)",
    "CREATE TABLE s (id int PRIMARY KEY, k text UNIQUE)",
    "CREATE TABLE heap (k int, v text)",
    "CREATE TABLE n (id int PRIMARY KEY, u int, UNIQUE NULLS NOT DISTINCT (u))",
    "CREATE TABLE mail (id int PRIMARY KEY, address text, open bool)",
    "CREATE UNIQUE INDEX ASYNC ON mail (lower(address))",
    "CREATE TABLE job (id int PRIMARY KEY, who int, open bool)",
    "CREATE UNIQUE INDEX ASYNC ON job (who) WHERE open",
    "CREATE TABLE parent (id int PRIMARY KEY)",
    "CREATE TABLE ca (id int PRIMARY KEY, pid int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE)",
    "CREATE TABLE sn (id int PRIMARY KEY, pid int REFERENCES parent ON DELETE SET NULL)",
    "CREATE TABLE sd (id int PRIMARY KEY, pid int DEFAULT 9 REFERENCES parent ON DELETE SET DEFAULT)",
    "CREATE TABLE pair (a int, b text, v text, PRIMARY KEY (a, b))",
)
ROWS = (
    "INSERT INTO t VALUES (1,'a'), (2,'b')",
    "INSERT INTO s VALUES (5,'k'), (6,'l')",
    "INSERT INTO heap VALUES (1,'a'), (1,'a'), (2,'b')",
    "INSERT INTO n VALUES (1, NULL), (2, 2)",
    "INSERT INTO mail VALUES (1, 'A@x', true)",
    "INSERT INTO job VALUES (1, 7, true), (2, 7, false)",
    "INSERT INTO parent VALUES (1), (2), (9)",
    "INSERT INTO pair VALUES (1, ')=(', 'x'), (1, 'a, b', 'y')",
)
CLEAR = tuple(
    f"DELETE FROM {name}"
    for name in ("t", "s", "heap", "n", "mail", "job", "ca", "sn", "sd", "parent", "pair")
)


@dataclass(frozen=True)
class Conflict:
    """A scenario; `fault` names a known wrong response of the local database."""

    scenario: Scenario
    fault: str = ""


BEGIN = ("a", "SELECT 1", ANY)
TOUCH = ("x", "UPDATE t SET v = 'x' WHERE id = 2", "UPDATE 1")

LOSERS = [
    Conflict(
        scenario(
            "a writer does not wait for one that lost by FOR UPDATE",
            BEGIN,
            ("x", "UPDATE t SET v = 'x' WHERE id = 1", "UPDATE 1"),
            ("a", "SELECT id FROM t WHERE id = 1 FOR UPDATE", [(1,)]),
            ("x", "UPDATE t SET v = 'y' WHERE id = 1", "UPDATE 1"),
            ("a", "SELECT id FROM t WHERE id = 1 FOR UPDATE", [(1,)]),
            ("x", "DELETE FROM t WHERE id = 1", "DELETE 1"),
            ("a", "COMMIT", OC000),
        )
    ),
    Conflict(
        scenario(
            "a second key put back after losing the row",
            ("a", "DELETE FROM s WHERE k = 'k'", "DELETE 1"),
            ("x", "UPDATE s SET id = 9 WHERE k = 'k'", "UPDATE 1"),
            ("a", "INSERT INTO s VALUES (7, 'k')", "INSERT 0 1"),
            ("a", "SELECT id FROM s WHERE k = 'k'", [(7,)]),
            ("a", "COMMIT", OC000),
        ),
    ),
    Conflict(
        scenario(
            "an awkward second key put back after losing the row",
            ("x", "UPDATE s SET k = 'a[b, (\\\" ''c' WHERE id = 5", "UPDATE 1"),
            ("a", "DELETE FROM s WHERE id = 5", "DELETE 1"),
            ("x", "UPDATE s SET id = 9 WHERE id = 5", "UPDATE 1"),
            ("a", "INSERT INTO s VALUES (7, 'a[b, (\\\" ''c'), (8, 'd[')", "INSERT 0 2"),
            ("x", "UPDATE s SET k = 'e[' WHERE id = 9", "UPDATE 1"),
            ("a", "UPDATE s SET k = 'f[' WHERE id = 6", "UPDATE 1"),
            ("a", "COMMIT", OC000),
        )
    ),
    Conflict(
        scenario(
            "a row without a key changed after losing it",
            ("a", "UPDATE heap SET v = 'A' WHERE k = 2", "UPDATE 1"),
            ("x", "UPDATE heap SET v = 'X' WHERE k = 2", "UPDATE 1"),
            ("a", "SELECT v FROM heap WHERE k = 2", [("A",)]),
            ("a", "UPDATE heap SET v = 'B' WHERE k = 2", "UPDATE 1"),
            ("a", "COMMIT", OC000),
        ),
    ),
    Conflict(
        scenario(
            "a row without a key deleted after losing it",
            ("a", "DELETE FROM heap WHERE k = 2", "DELETE 1"),
            ("x", "UPDATE heap SET v = 'X' WHERE k = 2", "UPDATE 1"),
            ("a", "SELECT v FROM heap WHERE k = 2", []),
            ("a", "COMMIT", OC000),
        ),
    ),
    Conflict(
        scenario(
            "a loser's own duplicate is one",
            ("a", "INSERT INTO t VALUES (3, 'c')", "INSERT 0 1"),
            ("a", "UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"),
            ("x", "UPDATE t SET v = 'x' WHERE id = 1", "UPDATE 1"),
            ("a", "INSERT INTO t VALUES (3, 'c')", Error("23505")),
        )
    ),
    Conflict(
        scenario(
            "a loser's settings stay",
            ("a", "SET LOCAL TimeZone = 'Asia/Kathmandu'", "SET"),
            ("x", "UPDATE t SET v = 'x' WHERE id = 1", "UPDATE 1"),
            ("a", "UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"),
            ("a", "SHOW TimeZone", [("Asia/Kathmandu",)]),
            ("a", "COMMIT", OC000),
            ("a", "SHOW TimeZone", [("UTC",)]),
        )
    ),
    Conflict(
        scenario(
            "what a loser has set for the session goes with it",
            ("a", "SET TimeZone = 'Asia/Kathmandu'", "SET"),
            ("a", "UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"),
            ("x", "UPDATE t SET v = 'x' WHERE id = 1", "UPDATE 1"),
            ("a", "SHOW TimeZone", [("Asia/Kathmandu",)]),
            ("a", "COMMIT", OC000),
            ("a", "SHOW TimeZone", [("UTC",)]),
        )
    ),
    Conflict(
        scenario(
            "what a parked transaction has set for the session stays after COMMIT",
            ("a", "SET TimeZone = 'Asia/Kathmandu'", "SET"),
            ("a", "UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"),
            ("b", "UPDATE t SET v = 'b' WHERE id = 1", "UPDATE 1"),
            ("b", "ROLLBACK", ANY),
            ("a", "COMMIT", "COMMIT"),
            ("a", "SHOW TimeZone", [("Asia/Kathmandu",)]),
        )
    ),
    Conflict(
        scenario(
            "what a parked transaction has set for the session goes with ROLLBACK",
            ("a", "SET TimeZone = 'Asia/Kathmandu'", "SET"),
            ("a", "UPDATE t SET v = 'A' WHERE id = 1", "UPDATE 1"),
            ("b", "UPDATE t SET v = 'b' WHERE id = 1", "UPDATE 1"),
            ("a", "SHOW TimeZone", [("Asia/Kathmandu",)]),
            ("a", "ROLLBACK", "ROLLBACK"),
            ("a", "SHOW TimeZone", [("UTC",)]),
        )
    ),
]

DUPLICATES = [
    Conflict(
        scenario(
            "a real duplicate of a NULL in a stale transaction",
            BEGIN,
            TOUCH,
            ("a", "INSERT INTO n VALUES (3, NULL)", Error("23505")),
        ),
    ),
    Conflict(
        scenario(
            "a NULL that the snapshot does not show",
            ("b", "UPDATE n SET u = 1 WHERE id = 1", "UPDATE 1"),
            ("b", "COMMIT", "COMMIT"),
            BEGIN,
            ("x", "INSERT INTO n VALUES (4, NULL)", "INSERT 0 1"),
            ("a", "INSERT INTO n VALUES (3, NULL)", "INSERT 0 1"),
            ("a", "COMMIT", OC000),
        ),
    ),
    *(
        Conflict(
            scenario(
                f"a duplicate in {name} that the snapshot does not show",
                BEGIN,
                ("x", f"INSERT INTO {table} VALUES {theirs}", "INSERT 0 1"),
                ("a", f"INSERT INTO {table} VALUES {ours}", "INSERT 0 1"),
                ("a", "COMMIT", OC000),
            )
        )
        for name, table, theirs, ours in (
            ("an index on an expression", "mail", "(2, 'B@x', true)", "(3, 'b@X', true)"),
            ("a partial index", "job", "(3, 8, true)", "(4, 8, true)"),
            ("a composite key", "pair", "(2, ')=(', 'x')", "(2, ')=(', 'y')"),
            ("a second key", "s", "(10, 'new')", "(11, 'new')"),
        )
    ),
    *(
        Conflict(
            scenario(
                f"a real duplicate in {name} in a stale transaction",
                BEGIN,
                TOUCH,
                ("a", f"INSERT INTO {table} VALUES {ours}", Error("23505")),
            )
        )
        for name, table, ours in (
            ("an index on an expression", "mail", "(3, 'a@X', true)"),
            ("a partial index", "job", "(4, 7, true)"),
            ("a composite key", "pair", "(1, ')=(', 'y')"),
            ("a composite key with a comma", "pair", "(1, 'a, b', 'y')"),
        )
    ),
    Conflict(
        scenario(
            "no duplicate where the predicate of a partial index does not hold",
            ("a", "INSERT INTO job VALUES (5, 7, false)", "INSERT 0 1"),
            ("b", "INSERT INTO job VALUES (6, 7, false)", "INSERT 0 1"),
            ("b", "UPDATE job SET open = false WHERE id = 1", "UPDATE 1"),
            ("a", "COMMIT", "COMMIT"),
            ("b", "COMMIT", "COMMIT"),
        )
    ),
    Conflict(
        scenario(
            "two take the one open place of a partial index",
            ("x", "UPDATE job SET open = false WHERE id = 1", "UPDATE 1"),
            ("a", "UPDATE job SET open = true WHERE id = 1", "UPDATE 1"),
            ("b", "UPDATE job SET open = true WHERE id = 2", "UPDATE 1"),
            ("b", "COMMIT", "COMMIT"),
            ("a", "COMMIT", OC000),
            ("x", "SELECT id FROM job WHERE open", [(2,)]),
        )
    ),
]

CHILDREN = [
    Conflict(
        scenario(
            f"{name} of a parent with a child that the snapshot does not show",
            BEGIN,
            ("x", f"INSERT INTO {child} VALUES (1, 1)", "INSERT 0 1"),
            ("a", sql, tag),
            ("a", "COMMIT", OC000),
            ("x", f"SELECT pid FROM {child}", [(1,)]),
        )
    )
    for name, child, sql, tag in (
        ("a cascading delete", "ca", "DELETE FROM parent WHERE id = 1", "DELETE 1"),
        ("a cascading key update", "ca", "UPDATE parent SET id = 3 WHERE id = 1", "UPDATE 1"),
        ("a delete that sets NULL", "sn", "DELETE FROM parent WHERE id = 1", "DELETE 1"),
        ("a delete that sets the default", "sd", "DELETE FROM parent WHERE id = 1", "DELETE 1"),
    )
] + [
    Conflict(
        scenario(
            "a child whose parent was cascaded away meanwhile",
            ("x", "INSERT INTO ca VALUES (1, 1)", "INSERT 0 1"),
            BEGIN,
            ("x", "DELETE FROM parent WHERE id = 1", "DELETE 1"),
            ("a", "UPDATE ca SET id = 2 WHERE id = 1", ANY),
            ("a", "COMMIT", OC000),
            divergences=["doomed-sees-newer-rows"],
        )
    ),
    Conflict(
        scenario(
            "cascades of two parents meet in one child",
            ("x", "INSERT INTO ca VALUES (1, 1)", "INSERT 0 1"),
            ("a", "DELETE FROM parent WHERE id = 1", "DELETE 1"),
            ("b", "UPDATE ca SET pid = 2 WHERE id = 1", "UPDATE 1"),
            ("c", "DELETE FROM parent WHERE id = 2", "DELETE 1"),
            ("b", "COMMIT", "COMMIT"),
            ("a", "COMMIT", OC000),
            ("c", "COMMIT", OC000),
            ("x", "SELECT id, pid FROM ca", [(1, 2)]),
        )
    ),
]

ALL = [*LOSERS, *DUPLICATES, *CHILDREN]
