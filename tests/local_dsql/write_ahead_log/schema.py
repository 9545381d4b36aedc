"""Tables in which rows change in many ways; every row has a `tag` that tells it from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.local_dsql.write_ahead_log.servers import Server

TAG = "tag uuid NOT NULL DEFAULT gen_random_uuid()"

SCHEMA = (
    f"CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE, n int NOT NULL DEFAULT 0, {TAG})",
    "CREATE TABLE cascades (id int PRIMARY KEY, "
    f"parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, {TAG})",
    "CREATE TABLE nulls (id int PRIMARY KEY, "
    f"parent int REFERENCES parent ON DELETE SET NULL ON UPDATE CASCADE, {TAG})",
    "CREATE TABLE deferred (id int PRIMARY KEY, "
    f"code text REFERENCES parent (code) DEFERRABLE INITIALLY DEFERRED, {TAG})",
    f"CREATE TABLE wide (id int PRIMARY KEY, small text, big text, {TAG})",
    "ALTER TABLE wide ALTER big SET STORAGE EXTERNAL",
    f"CREATE TABLE ledger (at int, what text, {TAG})",
    "CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int, "
    f"twice int GENERATED ALWAYS AS (v * 2) STORED, {TAG})",
    "CREATE INDEX ON parent (n)",
    "CREATE VIEW young AS SELECT id, n FROM parent WHERE id < 50",
    "CREATE FUNCTION note(what text) RETURNS int LANGUAGE sql AS "
    "$$ INSERT INTO ledger (at, what) VALUES (1, what) RETURNING at $$",
    "CREATE FUNCTION try(code text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE code; RETURN 1; "
    "EXCEPTION WHEN OTHERS THEN RETURN 0; END $$",
    "INSERT INTO parent SELECT i, 'c' || i, i FROM generate_series(1, 40) i",
    "INSERT INTO cascades SELECT i, (i + 1) / 2 FROM generate_series(1, 40) i",
    "INSERT INTO nulls SELECT i, i FROM generate_series(1, 20) i",
    "INSERT INTO deferred SELECT i, 'c' || i FROM generate_series(1, 5) i",
    "INSERT INTO wide SELECT i, 'w' || i, repeat('z', 5000) FROM generate_series(1, 10) i",
    "INSERT INTO counted (v) SELECT i FROM generate_series(1, 20) i",
)

SHAPES: dict[str, tuple[str, ...]] = {
    "insert": ("INSERT INTO parent VALUES (100, 'new', 1)",),
    "insert-many": ("INSERT INTO parent SELECT i, 'x' || i, i FROM generate_series(200, 900) i",),
    "insert-locks-parent": ("INSERT INTO cascades VALUES (100, 3)",),
    "insert-generated": ("INSERT INTO counted (v) VALUES (7), (8)",),
    "update-keeps-keys": ("UPDATE parent SET n = n + 1 WHERE id = 1",),
    "update-hot": ("UPDATE cascades SET parent = parent WHERE id = 1",),
    "update-key": ("UPDATE parent SET code = 'moved' WHERE id = 30",),
    "update-cascades": ("UPDATE parent SET id = 300 WHERE id = 7",),
    "update-twice": ("UPDATE parent SET n = 1 WHERE id = 1", "UPDATE parent SET n = 2 WHERE id = 1"),
    "update-to-another-page": ("UPDATE parent SET code = code || repeat('y', 300) WHERE id > 20",),
    "update-identity": ("UPDATE counted SET v = v + 1 WHERE id < 5",),
    "delete": ("DELETE FROM cascades WHERE id = 4",),
    "delete-cascades": ("DELETE FROM parent WHERE id IN (2, 3)",),
    "delete-all": ("DELETE FROM counted",),
    "insert-update-delete": (
        "INSERT INTO parent VALUES (100, 'a')",
        "UPDATE parent SET n = 5 WHERE id = 100",
        "DELETE FROM parent WHERE id = 100",
        "INSERT INTO parent VALUES (100, 'b')",
    ),
    "update-delete": ("UPDATE counted SET v = 0 WHERE id = 1", "DELETE FROM counted WHERE id = 1"),
    "delete-insert-same-key": (
        "DELETE FROM counted WHERE id = 1",
        "INSERT INTO counted (id, v) OVERRIDING SYSTEM VALUE VALUES (1, 1)",
    ),
    "upsert-inserts": ("INSERT INTO parent VALUES (100, 'u') ON CONFLICT DO NOTHING",),
    "upsert-updates": ("INSERT INTO parent VALUES (1, 'u') ON CONFLICT (id) DO UPDATE SET n = 9",),
    "upsert-updates-key": (
        "INSERT INTO parent VALUES (30, 'u') ON CONFLICT (id) DO UPDATE SET code = excluded.code",
    ),
    "upsert-locks-only": (
        "INSERT INTO parent VALUES (1, 'u') ON CONFLICT (id) DO UPDATE SET n = 9 WHERE false",
    ),
    "upsert-keeps-key": (
        "INSERT INTO parent VALUES (1, 'u') ON CONFLICT (id) DO UPDATE SET code = parent.code",
    ),
    "merge": (
        "MERGE INTO parent p USING generate_series(35, 45) i ON p.id = i WHEN MATCHED AND i > 37 THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET n = 0 WHEN NOT MATCHED THEN INSERT (id) VALUES (i)",
    ),
    "view": ("UPDATE young SET n = 0 WHERE id < 4", "DELETE FROM young WHERE id = 40"),
    "function": ("SELECT note('a'), note('b')",),
    "cte": (
        "WITH gone AS (DELETE FROM cascades WHERE id < 4 RETURNING id) INSERT INTO ledger SELECT id, 'x' FROM gone",
    ),
    "exception-caught": (
        "SELECT try($c$INSERT INTO parent VALUES (101)$c$)",
        "SELECT try($c$INSERT INTO parent VALUES (102), (1)$c$)",
    ),
    "exception-nested": (
        "SELECT try($c$SELECT try('DELETE FROM cascades WHERE id = 1'); UPDATE parent SET n = 1/0$c$)",
        "SELECT try($c$SELECT try('DELETE FROM cascades WHERE id = 2'); UPDATE parent SET n = 3$c$)",
    ),
    "savepoint-rolled-back": (
        "UPDATE counted SET v = 1 WHERE id = 1",
        "SAVEPOINT a",
        "UPDATE counted SET v = 2 WHERE id = 1",
        "DELETE FROM counted WHERE id = 2",
        "ROLLBACK TO a",
        "UPDATE counted SET v = 3 WHERE id = 3",
    ),
    "savepoint-released": (
        "SAVEPOINT a",
        "UPDATE counted SET v = 2 WHERE id = 1",
        "SAVEPOINT b",
        "UPDATE counted SET v = 3 WHERE id = 1",
        "RELEASE b",
        "UPDATE counted SET v = 4 WHERE id = 1",
        "RELEASE a",
    ),
    "released-then-rolled-back": (
        "UPDATE counted SET v = 1 WHERE id = 1",
        "SAVEPOINT a",
        "SAVEPOINT b",
        "UPDATE counted SET v = 2 WHERE id = 1",
        "RELEASE b",
        "ROLLBACK TO a",
    ),
    "lock-key-share": ("SELECT FROM parent WHERE id = 1 FOR KEY SHARE",),
    "lock-share": ("SELECT FROM parent WHERE id < 5 FOR SHARE",),
    "lock-no-key-update": ("SELECT FROM parent WHERE id = 1 FOR NO KEY UPDATE",),
    "lock-update": ("SELECT FROM parent WHERE id = 1 FOR UPDATE",),
    "lock-raised": (
        "SELECT FROM parent WHERE id = 1 FOR SHARE",
        "SELECT FROM parent WHERE id = 1 FOR UPDATE",
    ),
    "lock-raised-in-savepoint": (
        "SELECT FROM parent WHERE id = 1 FOR KEY SHARE",
        "SAVEPOINT a",
        "SELECT FROM parent WHERE id = 1 FOR UPDATE",
    ),
    "lock-lowered-by-rollback": (
        "SELECT FROM parent WHERE id = 1 FOR KEY SHARE",
        "SAVEPOINT a",
        "SELECT FROM parent WHERE id = 1 FOR NO KEY UPDATE",
        "ROLLBACK TO a",
    ),
    "lock-then-update": (
        "SELECT FROM parent WHERE id = 1 FOR UPDATE",
        "UPDATE parent SET n = 1 WHERE id = 1",
    ),
    "lock-own-row": (
        "INSERT INTO parent VALUES (100)",
        "SELECT FROM parent WHERE id = 100 FOR UPDATE",
        "UPDATE parent SET n = 2 WHERE id = 1",
        "SELECT FROM parent WHERE id = 1 FOR UPDATE",
    ),
    "deferred-check": (
        "INSERT INTO deferred VALUES (100, 'later')",
        "INSERT INTO parent VALUES (100, 'later')",
        "SET CONSTRAINTS ALL IMMEDIATE",
    ),
    "out-of-line": (
        "INSERT INTO wide VALUES (100, 's', repeat('q', 40000))",
        "UPDATE wide SET big = 'b' WHERE id = 1",
    ),
    "out-of-line-upsert": (
        "INSERT INTO wide VALUES (1, 's', repeat('q', 40000)) ON CONFLICT (id) DO UPDATE SET big = excluded.big || 'r'",
    ),
    "many-subtransactions": tuple(
        f"SELECT try('UPDATE counted SET v = {i} WHERE id = {i % 20 + 1}; SELECT 1/{i % 3}')"
        for i in range(1, 150)
    ),
}


def make_database(server: Server, name: str) -> None:
    """Make a database with the tables and nothing else."""
    with server.connect("template1") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    with server.connect(name) as connection:
        for statement in SCHEMA:
            connection.execute(statement.encode())
