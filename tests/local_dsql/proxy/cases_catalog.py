"""Readers, changes of the catalog, and the limit on rows."""

from __future__ import annotations

from tests.local_dsql.proxy.case_tables import UA, UB, V
from tests.local_dsql.proxy.scenarios import ANY, OC001, Error, scenario

READS = [
    scenario(
        "a reader never loses and its snapshot stands",
        ("a", V, [("a",)]),
        ("b", UB, "UPDATE 1"),
        ("b", "COMMIT", "COMMIT"),
        ("a", V, [("a",)]),
        ("a", "COMMIT", "COMMIT"),
        ("a", V, [("B",)]),
    ),
    scenario(
        "the snapshot is taken at BEGIN",
        ("x", "SELECT 1", ANY),
        ("y", "SELECT 1", ANY),
        ("y", "COMMIT", "COMMIT"),
        ("x", "BEGIN", "BEGIN"),
        ("y", UB, "UPDATE 1"),
        ("y", "COMMIT", "COMMIT"),
        ("x", V, [("a",)]),
        ("x", "COMMIT", "COMMIT"),
    ),
    scenario(
        "write skew happens",
        ("a", "SELECT sum(k) FROM t", [(5,)]),
        ("b", "SELECT sum(k) FROM t", [(5,)]),
        ("a", "UPDATE t SET k=0 WHERE id=1", "UPDATE 1"),
        ("b", "UPDATE t SET k=0 WHERE id=2", "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", "COMMIT"),
    ),
    scenario(
        "now() stands still across parking",
        ("a", "SELECT set_config('a.b', '1', true)", Error("0A000")),
        ("a", "ROLLBACK", ANY),
        ("a", "CREATE TABLE IF NOT EXISTS moments (at timestamptz)", "CREATE TABLE"),
        ("a", "COMMIT", "COMMIT"),
        ("a", "INSERT INTO moments VALUES (now())", "INSERT 0 1"),
        ("a", UA, "UPDATE 1"),
        ("b", UB, "UPDATE 1"),
        ("b", "ROLLBACK", ANY),
        ("a", "SELECT count(*) FROM moments WHERE at = now()", [(1,)]),
        ("a", "COMMIT", "COMMIT"),
        ("x", "DROP TABLE moments", "DROP TABLE"),
    ),
]

CATALOG = [
    scenario(
        "DDL does not wait for a reader, who then learns of it",
        ("a", "SELECT * FROM t WHERE id=1", [(1, "a", 1)]),
        ("x", "ALTER TABLE t ADD COLUMN z text", "ALTER TABLE"),
        ("a", "SELECT 1", OC001),
        ("a", "ROLLBACK", ANY),
        ("x", "ALTER TABLE t DROP COLUMN z", "ALTER TABLE"),
    ),
    scenario(
        "a writer learns of it at COMMIT",
        ("a", UA, "UPDATE 1"),
        ("x", "ALTER TABLE t ADD COLUMN z text", "ALTER TABLE"),
        ("a", "COMMIT", OC001),
        ("x", "ALTER TABLE t DROP COLUMN z", "ALTER TABLE"),
        ("x", V, [("a",)]),
    ),
    scenario(
        "a change of another table is no news to a writer",
        ("a", UA, "UPDATE 1"),
        ("x", "CREATE TABLE other (id int)", "CREATE TABLE"),
        ("a", V, [("A",)]),
        ("a", "COMMIT", "COMMIT"),
        ("x", "DROP TABLE other", "DROP TABLE"),
        divergences=["oc001-by-relation"],
    ),
    scenario(
        "DDL does not wait for a writer",
        ("a", UA, "UPDATE 1"),
        ("x", "ALTER TABLE t ADD COLUMN z text", "ALTER TABLE"),
        ("a", "COMMIT", OC001),
        ("x", "ALTER TABLE t DROP COLUMN z", "ALTER TABLE"),
    ),
    scenario(
        "a reader does not wait for open DDL",
        ("a", "ALTER TABLE t ADD COLUMN z text", "ALTER TABLE"),
        ("x", V, [("a",)]),
        ("b", UB, "UPDATE 1"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", OC001),
        ("x", "ALTER TABLE t DROP COLUMN z", "ALTER TABLE"),
    ),
    scenario(
        "DDL rolled back leaves nothing behind",
        ("a", "ALTER TABLE t ADD COLUMN z text", "ALTER TABLE"),
        ("x", V, [("a",)]),
        ("b", UB, "UPDATE 1"),
        ("a", "ROLLBACK", ANY),
        ("b", "COMMIT", "COMMIT"),
        ("x", V, [("B",)]),
    ),
    scenario(
        "two make one table",
        ("a", "CREATE TABLE twin (id int)", "CREATE TABLE"),
        ("b", "CREATE TABLE twin (id int)", "CREATE TABLE"),
        ("a", "COMMIT", "COMMIT"),
        ("b", "COMMIT", OC001),
        ("x", "DROP TABLE twin", "DROP TABLE"),
    ),
    scenario(
        "a read-only transaction commits whatever happened",
        ("a", V, [("a",)]),
        ("x", "ALTER TABLE t ADD COLUMN z text", "ALTER TABLE"),
        ("a", "COMMIT", "COMMIT"),
        ("x", "ALTER TABLE t DROP COLUMN z", "ALTER TABLE"),
    ),
]

LIMITS = [
    scenario(
        "3,000 rows are fine, one more is not",
        ("a", "INSERT INTO np SELECT g FROM generate_series(1,3000) g", "INSERT 0 3000"),
        ("a", "INSERT INTO np VALUES (1)", Error("54000", "transaction row limit exceeded")),
        ("a", "SELECT 1", Error("25P02")),
    ),
    scenario(
        "3,001 rows in autocommit",
        ("x", "INSERT INTO np SELECT g FROM generate_series(1,3001) g", Error("54000")),
        ("x", "SELECT count(*) FROM np", [(3,)]),
    ),
    scenario(
        "counted across parking",
        ("a", "INSERT INTO np SELECT g FROM generate_series(1,2000) g", "INSERT 0 2000"),
        ("a", UA, "UPDATE 1"),
        ("b", UB, "UPDATE 1"),
        ("a", "INSERT INTO np SELECT g FROM generate_series(1,1000) g", Error("54000")),
    ),
]
