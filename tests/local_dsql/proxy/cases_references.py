"""Foreign keys: parents, children, cascades, deferred checks."""

from __future__ import annotations

from tests.local_dsql.proxy.case_tables import DELETE_PARENT, INSERT_CHILD, UA, UB, both
from tests.local_dsql.proxy.scenarios import ANY, OC000, Error, scenario

KEYS = [
    scenario(
        "parent deleted first",
        ("a", DELETE_PARENT, "DELETE 1"),
        ("b", INSERT_CHILD, "INSERT 0 1"),
        *both("a", "b"),
    ),
    scenario(
        "child inserted first",
        ("a", DELETE_PARENT, "DELETE 1"),
        ("b", INSERT_CHILD, "INSERT 0 1"),
        *both("b", "a"),
    ),
    scenario(
        "child inserted first, deleted second",
        ("b", INSERT_CHILD, "INSERT 0 1"),
        ("a", DELETE_PARENT, "DELETE 1"),
        *both("b", "a"),
    ),
    scenario(
        "stale delete of a parent that has a child since",
        ("a", "SELECT 1", ANY),
        ("x", INSERT_CHILD, "INSERT 0 1"),
        ("a", DELETE_PARENT, "DELETE 1"),
        ("a", "COMMIT", OC000),
    ),
    scenario(
        "stale insert of a child whose parent is gone",
        ("a", "SELECT 1", ANY),
        ("x", DELETE_PARENT, "DELETE 1"),
        ("a", INSERT_CHILD, OC000),
        ("a", "ROLLBACK", ANY),
        divergences=["doomed-sees-newer-rows"],
    ),
    scenario(
        "non-key update of the parent",
        ("a", "UPDATE p SET v='nk' WHERE id=1", "UPDATE 1"),
        ("b", INSERT_CHILD, "INSERT 0 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", "COMMIT"),
    ),
    scenario(
        "a real violation fails at the statement", ("a", "INSERT INTO ch VALUES (5,99)", Error("23503"))
    ),
    scenario(
        "a real violation by a stale transaction",
        ("a", "SELECT 1", ANY),
        ("x", UA, "UPDATE 1"),
        ("a", "INSERT INTO ch VALUES (5,99)", Error("23503")),
    ),
    scenario(
        "parent and child come back together",
        ("a", "INSERT INTO p VALUES (30,'n')", "INSERT 0 1"),
        ("a", "INSERT INTO ch VALUES (30,30)", "INSERT 0 1"),
        ("a", UA, "UPDATE 1"),
        ("b", UB, "UPDATE 1"),
        ("b", "ROLLBACK", ANY),
        ("a", "COMMIT", "COMMIT"),
        ("x", "SELECT pid FROM ch", [(30,)]),
    ),
    scenario(
        "a cascade comes back",
        ("a", "DELETE FROM pa WHERE id=1", "DELETE 1"),
        ("a", UA, "UPDATE 1"),
        ("b", UB, "UPDATE 1"),
        ("b", "ROLLBACK", ANY),
        ("a", "SELECT count(*) FROM ca", [(0,)]),
        ("a", "COMMIT", "COMMIT"),
        ("x", "SELECT count(*) FROM ca", [(0,)]),
    ),
    scenario(
        "SET NULL comes back",
        ("a", "DELETE FROM pa WHERE id=2", "DELETE 1"),
        ("a", UA, "UPDATE 1"),
        ("b", UB, "UPDATE 1"),
        ("b", "ROLLBACK", ANY),
        ("a", "COMMIT", "COMMIT"),
        ("x", "SELECT pid FROM sn", [(None,)]),
    ),
    scenario(
        "a deferred violation does not get lost by parking",
        ("a", "INSERT INTO df VALUES (1,77)", "INSERT 0 1"),
        ("a", UA, "UPDATE 1"),
        ("b", UB, "UPDATE 1"),
        ("b", "ROLLBACK", ANY),
        ("a", "COMMIT", Error("23503")),
        ("x", "SELECT count(*) FROM df", [(0,)]),
    ),
    scenario(
        "a deferred check is satisfied in time, parked or not",
        ("a", "INSERT INTO df VALUES (1,78)", "INSERT 0 1"),
        ("a", UA, "UPDATE 1"),
        ("b", UB, "UPDATE 1"),
        ("b", "ROLLBACK", ANY),
        ("a", "INSERT INTO p VALUES (78,'late')", "INSERT 0 1"),
        ("a", "COMMIT", "COMMIT"),
        ("x", "SELECT pid FROM df", [(78,)]),
    ),
    *(
        scenario(
            f"referential action of {child} against a write of the child, {winner} first",
            ("a", f"DELETE FROM pa WHERE id={key}", "DELETE 1"),
            ("b", f"UPDATE {child} SET n='touched' WHERE id=1", "UPDATE 1"),
            *both(winner, loser),
        )
        for child, key in (("ca", 1), ("sn", 2), ("sd", 3))
        for winner, loser in (("a", "b"), ("b", "a"))
    ),
]
