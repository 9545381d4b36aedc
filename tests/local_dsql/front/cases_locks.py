"""FOR UPDATE and FOR KEY SHARE: a lock that is committed counts."""

from __future__ import annotations

from tests.local_dsql.front.case_tables import (
    DELETE_PARENT,
    FOR_UPDATE,
    INSERT_CHILD,
    KEY_SHARE,
    UA,
    UB,
    both,
)
from tests.local_dsql.front.scenarios import ANY, OC000, scenario

LOCKS = [
    scenario("FOR UPDATE commits first", ("a", FOR_UPDATE, [("a",)]), ("b", UB, "UPDATE 1"), *both("a", "b")),
    scenario(
        "FOR UPDATE commits second", ("a", FOR_UPDATE, [("a",)]), ("b", UB, "UPDATE 1"), *both("b", "a")
    ),
    scenario("FOR UPDATE twice", ("a", FOR_UPDATE, [("a",)]), ("b", FOR_UPDATE, [("a",)]), *both("a", "b")),
    scenario(
        "FOR UPDATE over a lock committed since",
        ("b", "SELECT 1", ANY),
        ("a", FOR_UPDATE, [("a",)]),
        ("a", "COMMIT", "COMMIT"),
        ("b", FOR_UPDATE, [("a",)]),
        ("b", "COMMIT", OC000),
    ),
    scenario(
        "FOR UPDATE over a row written since",
        ("b", "SELECT 1", ANY),
        ("x", UA, "UPDATE 1"),
        ("b", FOR_UPDATE, ANY),
        ("b", "COMMIT", OC000),
    ),
    scenario(
        "FOR UPDATE of another row",
        ("a", FOR_UPDATE, [("a",)]),
        ("b", "UPDATE t SET v='B' WHERE id=2", "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", "COMMIT"),
    ),
    scenario(
        "a FOR UPDATE rolled back is nothing",
        ("a", FOR_UPDATE, [("a",)]),
        ("b", UB, "UPDATE 1"),
        ("a", "ROLLBACK", ANY),
        ("b", "COMMIT", "COMMIT"),
    ),
    scenario(
        "KEY SHARE against delete, share first",
        ("a", KEY_SHARE, [("p1",)]),
        ("b", DELETE_PARENT, "DELETE 1"),
        *both("a", "b"),
    ),
    scenario(
        "KEY SHARE against delete, delete first",
        ("a", KEY_SHARE, [("p1",)]),
        ("b", DELETE_PARENT, "DELETE 1"),
        *both("b", "a"),
    ),
    scenario(
        "KEY SHARE against a non-key update",
        ("a", KEY_SHARE, [("p1",)]),
        ("b", "UPDATE p SET v='z' WHERE id=1", "UPDATE 1"),
        ("b", "COMMIT", "COMMIT"),
        ("a", "COMMIT", "COMMIT"),
    ),
    scenario(
        "KEY SHARE against a key update",
        ("a", KEY_SHARE, [("p1",)]),
        ("b", "UPDATE p SET id=8 WHERE id=1", "UPDATE 1"),
        *both("a", "b"),
    ),
    scenario(
        "KEY SHARE twice",
        ("a", KEY_SHARE, [("p1",)]),
        ("b", KEY_SHARE, [("p1",)]),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", "COMMIT"),
    ),
    scenario(
        "KEY SHARE shared by two against delete",
        ("a", KEY_SHARE, [("p1",)]),
        ("b", KEY_SHARE, [("p1",)]),
        ("c", DELETE_PARENT, "DELETE 1"),
        ("b", "COMMIT", "COMMIT"),
        ("c", "COMMIT", OC000),
        ("a", "COMMIT", "COMMIT"),
    ),
    scenario(
        "KEY SHARE against FOR UPDATE",
        ("a", KEY_SHARE, [("p1",)]),
        ("b", "SELECT v FROM p WHERE id=1 FOR UPDATE", [("p1",)]),
        *both("a", "b"),
    ),
    scenario(
        "a stale delete loses to a committed KEY SHARE",
        ("b", "SELECT 1", ANY),
        ("a", KEY_SHARE, [("p1",)]),
        ("a", "COMMIT", "COMMIT"),
        ("b", DELETE_PARENT, "DELETE 1"),
        ("b", "COMMIT", OC000),
    ),
    scenario(
        "a stale insert of a child loses to a committed FOR UPDATE of its parent",
        ("b", "SELECT 1", ANY),
        ("a", "SELECT v FROM p WHERE id=1 FOR UPDATE", ANY),
        ("a", "COMMIT", "COMMIT"),
        ("b", INSERT_CHILD, "INSERT 0 1"),
        ("b", "COMMIT", ANY),
        divergences=["implicit-key-share-forgotten"],
    ),
    scenario(
        "nobody waits for a lock that a doomed transaction has taken",
        ("a", "SELECT 1", ANY),
        ("x", UA, "UPDATE 1"),
        ("a", FOR_UPDATE, ANY),
        ("b", UB, "UPDATE 1"),
        ("b", "COMMIT", "COMMIT"),
        ("a", "COMMIT", OC000),
    ),
    scenario(
        "write skew prevented by FOR UPDATE",
        ("a", "SELECT id FROM t WHERE id=2 FOR UPDATE", [(2,)]),
        ("b", "SELECT id FROM t WHERE id=1 FOR UPDATE", [(1,)]),
        ("a", "UPDATE t SET k=0 WHERE id=1", "UPDATE 1"),
        ("b", "UPDATE t SET k=0 WHERE id=2", "UPDATE 1"),
        *both("a", "b"),
    ),
]
