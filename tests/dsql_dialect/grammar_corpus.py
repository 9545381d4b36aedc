"""Statements of every kind in PostgreSQL 16's grammar, with the clauses that change the shape of their trees."""

from __future__ import annotations

from pathlib import Path

CORPUS = tuple(
    line
    for line in Path(__file__).with_suffix(".sql").read_text("utf-8").splitlines()
    if not line.startswith("--")
)

COLUMNS = (
    *(
        "b int",
        "b",
        "b WITH OPTIONS",
        "b text[] ",
        "b serial",
        "b s.t(3)",
        "b bytea",
        "b numeric(-2)",
        "LIKE c",
    ),
    *(
        "b timetz",
        "b line",
        "UNIQUE (b)",
        "PRIMARY KEY (b, c)",
        "CHECK (b > 0)",
        "FOREIGN KEY (b) REFERENCES c",
    ),
)
CONSTRAINTS = (
    *(
        "",
        "PRIMARY KEY",
        "UNIQUE DEFERRABLE",
        "NOT NULL",
        "NULL",
        "DEFAULT f(1)",
        'COLLATE "de"',
        "STORAGE MAIN",
    ),
    *("GENERATED ALWAYS AS IDENTITY", "GENERATED ALWAYS AS IDENTITY (CACHE 2)", "REFERENCES c (d)"),
    *("GENERATED ALWAYS AS (c) STORED", "GENERATED ALWAYS AS (c)", "CONSTRAINT d CHECK (b > 0) NOT ENFORCED"),
    *("INITIALLY DEFERRED", "COMPRESSION lz4", "OPTIONS (c 'd')"),
)
HEADS = (
    *("CREATE TABLE a ({})", "CREATE TEMP TABLE a ({})", "CREATE TABLE a OF t ({})", "ALTER TABLE a ADD {}"),
    *("CREATE TABLE a PARTITION OF b ({}) FOR VALUES IN (1)", "CREATE TABLE a PARTITION OF b ({}) DEFAULT"),
    *("CREATE FOREIGN TABLE a ({}) SERVER s", "CREATE SCHEMA s CREATE TABLE a ({})", "CREATE TYPE a AS ({})"),
    *(
        "ALTER TABLE ASYNC a ADD {}",
        "ALTER TYPE a ADD ATTRIBUTE {}",
        "CREATE FUNCTION f({}) RETURNS int RETURN 1",
    ),
    *("CREATE DOMAIN {}", "SELECT * FROM f() AS ({})", "ALTER TABLE a ALTER {}", "ALTER DOMAIN a ADD {}"),
)
WRAPPERS = (
    *(
        "{}",
        "EXPLAIN {}",
        "EXPLAIN (ANALYZE) {}",
        "PREPARE p AS {}",
        "DECLARE c CURSOR FOR {}",
        "COPY ({}) TO STDOUT",
    ),
    *(
        "CREATE VIEW v AS {}",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $b$ {} $b$",
        "CREATE SCHEMA s {}",
    ),
    *("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC {}; END", "WITH x AS ({}) SELECT 1"),
    *("CREATE TABLE x AS {}", "CREATE RULE r AS ON INSERT TO a DO {}", "INSERT INTO a {}", "/* c */ {} -- d"),
)
"""Statements around a statement; not every combination is SQL."""
