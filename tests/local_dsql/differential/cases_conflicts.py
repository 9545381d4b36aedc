"""Transactions that conflict, transactions that do not, and errors that are real."""

from __future__ import annotations

from tests.local_dsql.differential.cases import (
    ANY,
    CONFLICT_OR_DUPLICATE,
    OC000,
    ORPHAN,
    OneOf,
    Steps,
    a,
    b,
    c,
    case,
    suspend,
)
from tests.local_dsql.differential.conflict_rule import Strength
from tests.local_dsql.differential.oracle import Lock

_STALE = (a("BEGIN"), a("SELECT 1", [("1",)]))
_T = ["CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 0), (2, 0)"]
_TREE = [
    "CREATE TABLE p (id int PRIMARY KEY, n int)",
    "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (id))",
    "CREATE TABLE x (i int)",
    "INSERT INTO p VALUES (1, 0), (2, 0)",
    "INSERT INTO c VALUES (1, 1), (2, 1)",
]
_LOCK_1 = Lock("p", "WHERE id = 1")


def _gone(take_away: str, insert: str) -> Steps:
    """The key that A's snapshot shows has been taken away by B: A must not see two rows with one key and commit."""
    return (
        *_STALE,
        b(take_away),
        a(insert, CONFLICT_OR_DUPLICATE),
        a("ROLLBACK", "ROLLBACK"),
    )


CONFLICTS = [
    case(
        "D1: key moved through a view that renames the column",
        [
            "CREATE TABLE d1 (id int PRIMARY KEY, n int)",
            "INSERT INTO d1 VALUES (1, 0)",
            "CREATE VIEW d1v AS SELECT id AS ident, n FROM d1",
        ],
        _gone("UPDATE d1v SET ident = 5 WHERE ident = 1", "INSERT INTO d1 VALUES (1, 9)"),
    ),
    case(
        "D1: key moved by the base of a generated column",
        [
            "CREATE TABLE d2 (id int PRIMARY KEY, x int, y int GENERATED ALWAYS AS (x % 5) STORED UNIQUE)",
            "INSERT INTO d2 (id, x) VALUES (1, 1), (2, 4)",
        ],
        _gone("UPDATE d2 SET x = 3 WHERE id = 2", "UPDATE d2 SET x = 9 WHERE id = 1"),
    ),
    case(
        "D1: key taken out of an index on an expression",
        [
            "CREATE TABLE d3 (id int PRIMARY KEY, e text)",
            "CREATE UNIQUE INDEX ASYNC d3u ON d3 (lower(e))",
            "INSERT INTO d3 VALUES (1, 'a')",
        ],
        _gone("DELETE FROM d3", "INSERT INTO d3 VALUES (2, 'A')"),
    ),
    case(
        "D1: NULL taken out of NULLS NOT DISTINCT",
        [
            "CREATE TABLE d4 (id int PRIMARY KEY, e text, UNIQUE NULLS NOT DISTINCT (e))",
            "INSERT INTO d4 VALUES (1, NULL)",
        ],
        _gone("DELETE FROM d4", "INSERT INTO d4 VALUES (2, NULL)"),
    ),
    case(
        "D1: key taken out of a partial index",
        [
            "CREATE TABLE d5 (id int PRIMARY KEY, e text, active bool)",
            "CREATE UNIQUE INDEX ASYNC d5u ON d5 (e) WHERE active",
            "INSERT INTO d5 VALUES (1, 'a', true)",
        ],
        _gone("UPDATE d5 SET active = false", "INSERT INTO d5 VALUES (2, 'a', true)"),
    ),
    *(
        case(
            f"N1: own children of a locked parent removed, {name}",
            _TREE,
            a("BEGIN"),
            a("SELECT * FROM p WHERE id = 1 FOR UPDATE", ANY, _LOCK_1),
            a(sql),
            b("INSERT INTO x VALUES (1)", "INSERT 0 1"),
            a("COMMIT", "COMMIT"),
        )
        for name, sql in (
            ("deleted", "DELETE FROM c WHERE p = 1"),
            ("given another parent", "UPDATE c SET p = 2 WHERE id = 1"),
        )
    ),
    case(
        "N1: a child of others under a locked parent",
        _TREE,
        a("BEGIN"),
        a("SELECT * FROM p WHERE id = 1 FOR UPDATE", ANY, _LOCK_1),
        b("INSERT INTO c VALUES (9, 1)", "INSERT 0 1"),
        a("COMMIT", OC000),
        a("BEGIN"),
        a("INSERT INTO c VALUES (10, 1)", "INSERT 0 1"),
        b("BEGIN"),
        b("SELECT * FROM p WHERE id = 1 FOR UPDATE", ANY, _LOCK_1),
        b("COMMIT", "COMMIT"),
        a("COMMIT", OC000),
    ),
    case(
        "N1: an update of a row that others have locked",
        _TREE,
        *_STALE,
        b("BEGIN"),
        b("SELECT * FROM p WHERE id = 1 FOR UPDATE", ANY, _LOCK_1),
        b("COMMIT", "COMMIT"),
        a("UPDATE p SET n = 5 WHERE id = 1", "UPDATE 1"),
        a("COMMIT", OC000),
    ),
    case(
        "a re-keyed unique column of a parent against a new child",
        [
            "CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE)",
            "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (id))",
            "INSERT INTO p VALUES (1, 'a')",
        ],
        a("BEGIN"),
        a("UPDATE p SET code = 'z' WHERE id = 1", "UPDATE 1"),
        b("INSERT INTO c VALUES (1, 1)", "INSERT 0 1"),
        a("COMMIT", OC000),
        a("BEGIN"),
        a("INSERT INTO c VALUES (2, 1)", "INSERT 0 1"),
        b("UPDATE p SET code = 'y' WHERE id = 1", "UPDATE 1"),
        a("COMMIT", OC000),
    ),
    *(
        case(
            f"E0: an upsert of a row of which others have changed the key ({how})",
            [
                "CREATE TABLE u (id int PRIMARY KEY, code text UNIQUE, email text UNIQUE, n int)",
                "INSERT INTO u VALUES (2, 'b', 'B', 1), (5, 'c', 'a', 2)",
            ],
            *_STALE,
            b("UPDATE u SET id = 3 WHERE id = 5", "UPDATE 1"),
            # By the snapshot it updates row 5; a doomed transaction may not find that row any more.
            a(
                f"INSERT INTO u VALUES ({row}, 1) ON CONFLICT (code) DO UPDATE SET n = u.n + 1 RETURNING n",
                OneOf(([("3",)], [("1",)], OC000)),
            ),
            a("ROLLBACK", "ROLLBACK"),
        )
        for how, row in (
            ("its other keys are free", "7, 'c', 'x'"),
            ("its other keys are those of another row", "2, 'c', 'B'"),
        )
    ),
    case(
        "M1: DO NOTHING over a row updated since",
        _T,
        *_STALE,
        b("UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1"),
        a("INSERT INTO t VALUES (1, 9) ON CONFLICT DO NOTHING", "INSERT 0 0"),
        a("INSERT INTO t VALUES (3, 9)", "INSERT 0 1"),
        a("COMMIT", "COMMIT"),
        *_STALE,
        b("UPDATE t SET n = 5 WHERE id = 1", "UPDATE 1"),
        a("INSERT INTO t VALUES (1, 9) ON CONFLICT DO NOTHING", "INSERT 0 0"),
        a("SELECT n FROM t WHERE id = 1", [("1",)]),
        a("COMMIT", "COMMIT"),
    ),
    case(
        "M1: DO NOTHING over a row deleted since",
        _T,
        *_STALE,
        b("DELETE FROM t WHERE id = 1", "DELETE 1"),
        a("INSERT INTO t VALUES (1, 9) ON CONFLICT DO NOTHING", "INSERT 0 0"),
        a("COMMIT", "COMMIT"),
    ),
    case(
        "M1: DO NOTHING over a row inserted since",
        _T,
        *_STALE,
        b("INSERT INTO t VALUES (3, 1)", "INSERT 0 1"),
        a("INSERT INTO t VALUES (3, 9) ON CONFLICT DO NOTHING", OneOf(("INSERT 0 1", "INSERT 0 0"))),
        a("COMMIT", OC000),
    ),
    case(
        "M2: DO UPDATE WHERE false over a row updated since",
        _T,
        *_STALE,
        b("UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1"),
        a("INSERT INTO t VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET n = 7 WHERE t.n > 100", "INSERT 0 0"),
        a("COMMIT", "COMMIT"),
    ),
    case(
        "M3: DO UPDATE over a row deleted since",
        _T,
        *_STALE,
        b("DELETE FROM t WHERE id = 1", "DELETE 1"),
        a("INSERT INTO t VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET n = t.n + 7", "INSERT 0 1"),
        a("COMMIT", OC000),
    ),
    case(
        "M3: DO UPDATE over a row updated since",
        _T,
        *_STALE,
        b("UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1"),
        a("INSERT INTO t VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET n = t.n + 7", "INSERT 0 1"),
        a("COMMIT", OC000),
    ),
    case(
        "M5: no conflict of reads, conflict of FOR UPDATE",
        _T,
        *(step for s in (a, b) for step in (s("BEGIN"), s("SELECT sum(n) FROM t", [("0",)]))),
        a("UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1"),
        b("UPDATE t SET n = 1 WHERE id = 2", "UPDATE 1"),
        a("COMMIT", "COMMIT"),
        b("COMMIT", "COMMIT"),
        *(
            step
            for s in (a, b)
            for step in (
                s("BEGIN"),
                s("SELECT sum(n) FROM (SELECT n FROM t FOR UPDATE) y", [("2",)], Lock("t", "")),
            )
        ),
        a("UPDATE t SET n = 2 WHERE id = 1", "UPDATE 1"),
        b("UPDATE t SET n = 2 WHERE id = 2", "UPDATE 1"),
        a("COMMIT", "COMMIT"),
        b("COMMIT", OC000),
    ),
    case(
        "M8: deleted and made anew",
        ["CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 0)"],
        a("BEGIN"),
        a("DELETE FROM t WHERE id = 1", "DELETE 1"),
        a("INSERT INTO t VALUES (1, 5)", "INSERT 0 1"),
        b("BEGIN"),
        b("UPDATE t SET n = 7 WHERE id = 1", "UPDATE 1"),
        a("COMMIT", "COMMIT"),
        b("COMMIT", OC000),
        a("SELECT * FROM t", [("1", "5")]),
        a("BEGIN"),
        a("DELETE FROM t WHERE id = 1", "DELETE 1"),
        b("BEGIN"),
        b("DELETE FROM t WHERE id = 1", "DELETE 1"),
        b("INSERT INTO t VALUES (1, 8)", "INSERT 0 1"),
        a("COMMIT", "COMMIT"),
        b("SELECT * FROM t", [("1", "8")]),
        b("COMMIT", OC000),
    ),
    case(
        "L7: the place in a partial unique index taken since",
        [
            "CREATE TABLE l7 (id int PRIMARY KEY, email text, active bool)",
            "CREATE UNIQUE INDEX ASYNC l7u ON l7 (email) WHERE active",
            "INSERT INTO l7 VALUES (1, 'x', false)",
        ],
        *_STALE,
        b("INSERT INTO l7 VALUES (2, 'x', true)", "INSERT 0 1"),
        a("INSERT INTO l7 VALUES (3, 'x', true)", "INSERT 0 1"),
        a("SELECT id FROM l7 WHERE active", [("3",)]),
        a("COMMIT", OC000),
    ),
    *(
        case(
            f"Q1: child updated {name} while its parent's other key moves",
            [
                "CREATE TABLE q1 (id int PRIMARY KEY, code text UNIQUE)",
                "CREATE TABLE q1c (id int PRIMARY KEY, p int REFERENCES q1 (id), v text)",
                "INSERT INTO q1 VALUES (1, 'a')",
                "INSERT INTO q1c VALUES (1, 1, '0')",
            ],
            a("BEGIN"),
            *([a("UPDATE q1c SET v = '1' WHERE id = 1", "UPDATE 1")] if twice else [a("SELECT 1")]),
            b("UPDATE q1 SET code = 'z' WHERE id = 1", "UPDATE 1"),
            a("UPDATE q1c SET v = '2' WHERE id = 1", "UPDATE 1"),
            a("COMMIT", "COMMIT"),
        )
        for name, twice in (("once", False), ("twice", True))
    ),
    case(
        "Q3: child updated while a key of its parent to which it does not refer moves",
        [
            "CREATE TABLE q3 (id int PRIMARY KEY, code text UNIQUE)",
            "CREATE TABLE q3c (id int PRIMARY KEY, p text REFERENCES q3 (code) ON UPDATE CASCADE, v text)",
            "INSERT INTO q3 VALUES (1, 'a')",
            "INSERT INTO q3c VALUES (1, 'a', '0')",
        ],
        a("BEGIN"),
        a("SELECT 1"),
        b("UPDATE q3c SET v = '1' WHERE id = 1", "UPDATE 1"),
        a("UPDATE q3 SET id = 2", "UPDATE 1"),
        a("COMMIT", "COMMIT"),
    ),
    *(
        case(
            f"Q2: parent locked FOR UPDATE while its child is updated {name}",
            [
                "CREATE TABLE q2 (id int PRIMARY KEY)",
                "CREATE TABLE q2c (id int PRIMARY KEY, p int REFERENCES q2 (id), v text)",
                "INSERT INTO q2 VALUES (1)",
                "INSERT INTO q2c VALUES (1, 1, '0')",
            ],
            a("BEGIN"),
            a("SELECT 1"),
            b("BEGIN"),
            *([b("UPDATE q2c SET v = '1' WHERE id = 1", "UPDATE 1")] if twice else []),
            b("UPDATE q2c SET v = '2' WHERE id = 1", "UPDATE 1"),
            b("COMMIT", "COMMIT"),
            a("SELECT id FROM q2 FOR UPDATE", [("1",)], Lock("q2", "", Strength.WHOLE)),
            a("COMMIT", "COMMIT"),
        )
        for name, twice in (("once", False), ("twice", True))
    ),
    case(
        "P1: FOR KEY SHARE beside updates without keys",
        _T,
        *_STALE,
        b("UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1"),
        a(
            "SELECT * FROM t WHERE id = 1 FOR KEY SHARE",
            [("1", "0")],
            Lock("t", "WHERE id = 1", Strength.KEY_SHARE),
        ),
        a("COMMIT", "COMMIT"),
        a("BEGIN"),
        a("SELECT * FROM t FOR KEY SHARE", ANY, Lock("t", "", Strength.KEY_SHARE)),
        a("UPDATE t SET n = 5 WHERE id = 2", "UPDATE 1"),
        b("UPDATE t SET n = 2 WHERE id = 1", "UPDATE 1"),
        suspend("UPDATE t SET n = 9 WHERE id = 2"),
        a("COMMIT", "COMMIT"),
    ),
    case(
        "P2: a child beside an update of its parent without keys",
        _TREE,
        *_STALE,
        b("UPDATE p SET n = 1 WHERE id = 1", "UPDATE 1"),
        a("INSERT INTO c VALUES (11, 1)", "INSERT 0 1"),
        a("COMMIT", "COMMIT"),
        a("BEGIN"),
        a("INSERT INTO c VALUES (12, 1)", "INSERT 0 1"),
        b("UPDATE p SET n = 2 WHERE id = 1", "UPDATE 1"),
        suspend("INSERT INTO c VALUES (12, 1)"),
        a("COMMIT", "COMMIT"),
        *_STALE,
        b("UPDATE p SET n = 3 WHERE id = 1", "UPDATE 1"),
        a("UPDATE c SET id = 19 WHERE id = 11", "UPDATE 1"),
        a("COMMIT", "COMMIT"),
    ),
    case(
        "P4: a child moved away under ON DELETE SET NULL",
        [
            "CREATE TABLE p (id int PRIMARY KEY, n int)",
            "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (id) ON DELETE SET NULL, n int)",
            "INSERT INTO p VALUES (1, 0), (2, 0)",
            "INSERT INTO c VALUES (1, 1, 0)",
        ],
        *_STALE,
        b("UPDATE c SET p = 2", "UPDATE 1"),
        a("DELETE FROM p WHERE id = 1", "DELETE 1"),
        a("COMMIT", OC000),
    ),
    case(
        "FK: a parent deleted beside a new child, in every order",
        _TREE,
        a("BEGIN"),
        a("DELETE FROM p WHERE id = 2", "DELETE 1"),
        b("INSERT INTO c VALUES (3, 2)", "INSERT 0 1"),
        a("COMMIT", OC000),
        b("DELETE FROM c WHERE id = 3", "DELETE 1"),
        *_STALE,
        b("INSERT INTO c VALUES (4, 2)", "INSERT 0 1"),
        a("DELETE FROM p WHERE id = 2", "DELETE 1"),
        a("COMMIT", OC000),
        b("DELETE FROM c WHERE p = 2", "DELETE 1"),
        a("BEGIN"),
        a("INSERT INTO c VALUES (5, 2)", "INSERT 0 1"),
        b("DELETE FROM p WHERE id = 2", "DELETE 1"),
        a("SELECT p FROM c WHERE id = 5", [("2",)]),
        a("COMMIT", OC000),
        a("BEGIN"),
        a("DELETE FROM p WHERE id = 1", ORPHAN),
        a("ROLLBACK", "ROLLBACK"),
    ),
    case(
        "O3: numerics of other scale in a foreign key",
        [
            "CREATE TABLE o3 (id numeric PRIMARY KEY)",
            "CREATE TABLE o3c (id int PRIMARY KEY, p numeric REFERENCES o3 (id))",
            "CREATE TABLE o3x (id int PRIMARY KEY, n int)",
            "INSERT INTO o3 VALUES (1.00)",
            "INSERT INTO o3c VALUES (1, 1.0)",
            "INSERT INTO o3x VALUES (1, 0)",
        ],
        c("BEGIN"),
        c("UPDATE o3x SET n = 1", "UPDATE 1"),
        *_STALE,
        b("INSERT INTO o3c VALUES (2, NULL)", "INSERT 0 1"),
        a("DELETE FROM o3", ORPHAN),
        a("ROLLBACK", "ROLLBACK"),
        c("ROLLBACK", "ROLLBACK"),
    ),
    case(
        "R1: a bracket in the name of the child table",
        [
            "CREATE TABLE r1 (id int PRIMARY KEY)",
            'CREATE TABLE "r1)c" (id int PRIMARY KEY, p int REFERENCES r1 (id))',
            "INSERT INTO r1 VALUES (1)",
            'INSERT INTO "r1)c" VALUES (1, 1)',
        ],
        *_STALE,
        b('INSERT INTO "r1)c" VALUES (2, NULL)', "INSERT 0 1"),
        a("DELETE FROM r1", ORPHAN),
        a("ROLLBACK", "ROLLBACK"),
    ),
]
