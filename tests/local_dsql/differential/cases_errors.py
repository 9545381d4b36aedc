"""Locks that nobody sees, and duplicates that are real or not."""

from __future__ import annotations

from tests.local_dsql.differential.cases import DUPLICATE, OC000, Steps, a, b, c, case
from tests.local_dsql.differential.oracle import Lock

_T = ["CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 0), (2, 0)"]
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
]
