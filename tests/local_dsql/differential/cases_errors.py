"""Locks that no session sees, and duplicates that are real or not."""

from __future__ import annotations

from tests.local_dsql.differential.cases import DUPLICATE, OC000, ORPHAN, Steps, a, b, c, case
from tests.local_dsql.differential.conflict_rule import Strength
from tests.local_dsql.differential.oracle import Lock

_T = ["CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 0), (2, 0)"]
_ROW_1 = Lock("t", "WHERE id = 1")
_SHARE_1 = Lock("t", "WHERE id = 1", Strength.KEY_SHARE)
_CASCADE = [
    "CREATE TABLE t (id int PRIMARY KEY, k int UNIQUE, parent int REFERENCES t (k) ON UPDATE CASCADE)",
    "INSERT INTO t VALUES (1, 1, NULL)",
]
_STALE: Steps = (a("BEGIN"), a("SELECT 1", [("1",)]))

ERRORS = [
    case(
        "SKIP LOCKED and NOWAIT see no locks",
        _T,
        a("BEGIN"),
        a("SELECT id FROM t WHERE id = 1 FOR UPDATE", [("1",)], Lock("t", "WHERE id = 1")),
        b("BEGIN"),
        b("SELECT id FROM t ORDER BY id FOR UPDATE SKIP LOCKED", [("1",), ("2",)], Lock("t", "")),
        b("ROLLBACK", "ROLLBACK"),
        b("BEGIN"),
        b("SELECT id FROM t WHERE id = 1 FOR UPDATE NOWAIT", [("1",)], Lock("t", "WHERE id = 1")),
        a("COMMIT", "COMMIT"),
        b("COMMIT", OC000),
    ),
    case(
        "a key that others have taken since, twice",
        _T,
        *_STALE,
        b("INSERT INTO t VALUES (3, 1)", "INSERT 0 1"),
        a("INSERT INTO t VALUES (3, 9)", "INSERT 0 1"),
        a("INSERT INTO t VALUES (3, 9)", DUPLICATE),
        a("ROLLBACK", "ROLLBACK"),
    ),
    case(
        "a key that others have taken since, after a suspension",
        _T,
        a("BEGIN"),
        a("DELETE FROM t WHERE id = 2", "DELETE 1"),
        b("INSERT INTO t VALUES (3, 1)", "INSERT 0 1"),
        c("BEGIN"),
        c("DELETE FROM t WHERE id = 2", "DELETE 1"),
        a("INSERT INTO t VALUES (3, 9)", "INSERT 0 1"),
        a("COMMIT", OC000),
        c("COMMIT", "COMMIT"),
    ),
    case(
        "FOR UPDATE of a row that the transaction has updated, beside FOR KEY SHARE",
        _T,
        a("BEGIN"),
        a("UPDATE t SET n = 1 WHERE id = 1", "UPDATE 1"),
        a("SELECT id FROM t WHERE id = 1 FOR UPDATE", [("1",)], _ROW_1),
        b("BEGIN"),
        b("SELECT id FROM t WHERE id = 1 FOR KEY SHARE", [("1",)], _SHARE_1),
        b("COMMIT", "COMMIT"),
        a("COMMIT", OC000),
    ),
    case(
        "DELETE over FOR KEY SHARE of a committed transaction",
        _T,
        *_STALE,
        b("BEGIN"),
        b("SELECT id FROM t WHERE id = 1 FOR KEY SHARE", [("1",)], _SHARE_1),
        b("COMMIT", "COMMIT"),
        a("DELETE FROM t WHERE id = 1", "DELETE 1"),
        a("COMMIT", OC000),
    ),
    case(
        "DELETE over FOR KEY SHARE of a row that a third has updated in vain",
        _T,
        *_STALE,
        c("BEGIN"),
        c("UPDATE t SET n = 7 WHERE id = 1", "UPDATE 1"),
        b("BEGIN"),
        b("SELECT id FROM t WHERE id = 1 FOR KEY SHARE", [("1",)], _SHARE_1),
        c("ROLLBACK", "ROLLBACK"),
        b("COMMIT", "COMMIT"),
        a("DELETE FROM t WHERE id = 1", "DELETE 1"),
        a("COMMIT", OC000),
    ),
    case(
        "a key that a new child of the row has taken, which the UPDATE would cascade to",
        _CASCADE,
        *_STALE,
        b("INSERT INTO t VALUES (3, 7, 1)", "INSERT 0 1"),
        a("UPDATE t SET k = 7 WHERE id = 1", "UPDATE 1"),
        a("SELECT k FROM t WHERE id = 1", [("7",)]),
        a("COMMIT", OC000),
    ),
    case(
        "a key that a new child of the row has taken, and a row of the snapshot has, too",
        [*_CASCADE, "INSERT INTO t VALUES (2, 8, NULL)"],
        *_STALE,
        b("INSERT INTO t VALUES (3, 7, 1)", "INSERT 0 1"),
        a("UPDATE t SET k = id + 6 WHERE id < 3", "UPDATE 2"),
        a("UPDATE t SET k = 8 WHERE id = 1", DUPLICATE),
        a("COMMIT", "ROLLBACK"),
    ),
    case(
        "one key for two rows, of which others have moved one to another key",
        ["CREATE TABLE t (id int PRIMARY KEY, k int UNIQUE)", "INSERT INTO t VALUES (1, 1), (2, 2)"],
        *_STALE,
        b("UPDATE t SET k = 5 WHERE id = 2", "UPDATE 1"),
        a("UPDATE t SET k = 9", DUPLICATE),
        a("COMMIT", "ROLLBACK"),
    ),
    case(
        "a key that the snapshot references in another scale, beside a newer child",
        [
            "CREATE TABLE t (id numeric PRIMARY KEY)",
            "CREATE TABLE child (id int PRIMARY KEY, t numeric REFERENCES t)",
            "INSERT INTO t VALUES (1.0), (2)",
            "INSERT INTO child VALUES (1, 1.00)",
        ],
        *_STALE,
        b("INSERT INTO child VALUES (2, 2)", "INSERT 0 1"),
        a("DELETE FROM t WHERE id = 1", ORPHAN),
        a("COMMIT", "ROLLBACK"),
    ),
    case(
        "a key that a table with a parenthesis in its name references, beside a newer child",
        [
            'CREATE TABLE t ("a)=(b" int PRIMARY KEY)',
            'CREATE TABLE "child)=(1" (id int PRIMARY KEY, t int REFERENCES t)',
            "INSERT INTO t VALUES (1), (2)",
            'INSERT INTO "child)=(1" VALUES (1, 1)',
        ],
        *_STALE,
        b('INSERT INTO "child)=(1" VALUES (2, 2)', "INSERT 0 1"),
        a('DELETE FROM t WHERE "a)=(b" = 1', ORPHAN),
        a("COMMIT", "ROLLBACK"),
    ),
]
