"""The anomalies of Adya and Bailis, as Hermitage tests them: which of them snapshot isolation prevents, and which not.

Case names after the Hermitage repository by Martin Kleppmann (CC BY 4.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local_dsql.proxy.scenarios import ANY, OC000, Scenario, run, scenario

if TYPE_CHECKING:
    from tests.local_dsql.proxy.cluster import Cluster

ALL = "SELECT id, value FROM hermitage ORDER BY id"
ONE, TWO = "SELECT value FROM hermitage WHERE id = 1", "SELECT value FROM hermitage WHERE id = 2"


def put(key: int, value: int) -> str:
    """Write one row."""
    return f"UPDATE hermitage SET value = {value} WHERE id = {key}"


CASES = [
    scenario(
        "G0 write cycle is prevented",
        ("a", put(1, 11), "UPDATE 1"),
        ("b", put(1, 12), "UPDATE 1"),
        ("a", put(2, 21), "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", put(2, 22), "UPDATE 1"),
        ("b", "COMMIT", OC000),
        ("x", ALL, [(1, 11), (2, 21)]),
    ),
    scenario(
        "G1a aborted read is prevented",
        ("a", put(1, 101), "UPDATE 1"),
        ("b", ALL, [(1, 10), (2, 20)]),
        ("a", "ROLLBACK", ANY),
        ("b", ALL, [(1, 10), (2, 20)]),
        ("b", "COMMIT", "COMMIT"),
    ),
    scenario(
        "G1b intermediate read is prevented",
        ("a", put(1, 101), "UPDATE 1"),
        ("b", ONE, [(10,)]),
        ("a", put(1, 11), "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", ONE, [(10,)]),
        ("b", "COMMIT", "COMMIT"),
    ),
    scenario(
        "G1c circular information flow is prevented",
        ("a", put(1, 11), "UPDATE 1"),
        ("b", put(2, 22), "UPDATE 1"),
        ("a", TWO, [(20,)]),
        ("b", ONE, [(10,)]),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", "COMMIT"),
    ),
    scenario(
        "OTV observed transaction does not vanish",
        ("a", put(1, 11), "UPDATE 1"),
        ("a", put(2, 19), "UPDATE 1"),
        ("b", put(1, 12), "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("c", ALL, [(1, 11), (2, 19)]),
        ("b", put(2, 18), "UPDATE 1"),
        ("c", ALL, [(1, 11), (2, 19)]),
        ("b", "COMMIT", OC000),
        ("c", ALL, [(1, 11), (2, 19)]),
    ),
    scenario(
        "PMP predicate-many-preceders is prevented for reads",
        ("a", "SELECT * FROM hermitage WHERE value = 30", []),
        ("b", "INSERT INTO hermitage VALUES (3, 30)", "INSERT 0 1"),
        ("b", "COMMIT", "COMMIT"),
        ("a", "SELECT * FROM hermitage WHERE value % 3 = 0", []),
        ("a", "COMMIT", "COMMIT"),
    ),
    scenario(
        "PMP predicate-many-preceders is prevented for writes",
        ("a", "UPDATE hermitage SET value = value + 10", "UPDATE 2"),
        ("b", "DELETE FROM hermitage WHERE value = 20", "DELETE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", OC000),
        ("x", ALL, [(1, 20), (2, 30)]),
    ),
    scenario(
        "P4 lost update is prevented",
        ("a", ONE, [(10,)]),
        ("b", ONE, [(10,)]),
        ("a", put(1, 11), "UPDATE 1"),
        ("b", put(1, 11), "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", OC000),
    ),
    scenario(
        "G-single read skew is prevented",
        ("a", ONE, [(10,)]),
        ("b", put(1, 12), "UPDATE 1"),
        ("b", put(2, 18), "UPDATE 1"),
        ("b", "COMMIT", "COMMIT"),
        ("a", TWO, [(20,)]),
        ("a", "COMMIT", "COMMIT"),
    ),
    scenario(
        "G-single read skew is prevented for predicates",
        ("a", "SELECT * FROM hermitage WHERE value % 5 = 0 ORDER BY id", [(1, 10), (2, 20)]),
        ("b", "UPDATE hermitage SET value = 12 WHERE value = 10", "UPDATE 1"),
        ("b", "COMMIT", "COMMIT"),
        ("a", "SELECT * FROM hermitage WHERE value % 3 = 0", []),
        ("a", "COMMIT", "COMMIT"),
    ),
    scenario(
        "G-single read skew is prevented for writes",
        ("a", ONE, [(10,)]),
        ("b", put(1, 12), "UPDATE 1"),
        ("b", put(2, 18), "UPDATE 1"),
        ("b", "COMMIT", "COMMIT"),
        ("a", "DELETE FROM hermitage WHERE value = 20", ANY),
        ("a", "COMMIT", OC000),
        ("x", ALL, [(1, 12), (2, 18)]),
        divergences=["doomed-sees-newer-rows"],
    ),
    scenario(
        "G2-item write skew happens",
        ("a", ALL, [(1, 10), (2, 20)]),
        ("b", ALL, [(1, 10), (2, 20)]),
        ("a", put(1, 11), "UPDATE 1"),
        ("b", put(2, 21), "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", "COMMIT"),
        ("x", ALL, [(1, 11), (2, 21)]),
    ),
    scenario(
        "G2-item write skew is prevented by FOR UPDATE",
        ("a", f"{TWO} FOR UPDATE", [(20,)]),
        ("b", f"{ONE} FOR UPDATE", [(10,)]),
        ("a", put(1, 11), "UPDATE 1"),
        ("b", put(2, 21), "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", OC000),
        ("x", ALL, [(1, 11), (2, 20)]),
    ),
    scenario(
        "G2 predicate write skew happens",
        ("a", "SELECT * FROM hermitage WHERE value % 3 = 0", []),
        ("b", "SELECT * FROM hermitage WHERE value % 3 = 0", []),
        ("a", "INSERT INTO hermitage VALUES (3, 30)", "INSERT 0 1"),
        ("b", "INSERT INTO hermitage VALUES (4, 42)", "INSERT 0 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", "COMMIT"),
        ("x", "SELECT value FROM hermitage WHERE value % 3 = 0 ORDER BY id", [(30,), (42,)]),
    ),
    scenario(
        "G2 with a read-only observer (Fekete) happens",
        ("a", ALL, [(1, 10), (2, 20)]),
        ("b", "UPDATE hermitage SET value = value + 5 WHERE id = 2", "UPDATE 1"),
        ("b", "COMMIT", "COMMIT"),
        ("c", ALL, [(1, 10), (2, 25)]),
        ("c", "COMMIT", "COMMIT"),
        ("a", put(1, 0), "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_anomaly(case: Scenario, cluster: Cluster) -> None:
    """Each anomaly is prevented or happens as snapshot isolation has it, with the loser told at COMMIT."""
    with cluster.connect() as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS hermitage (id int PRIMARY KEY, value int)")
        admin.execute("DELETE FROM hermitage")
        admin.execute("INSERT INTO hermitage VALUES (1, 10), (2, 20)")
    run(cluster, case.steps)
