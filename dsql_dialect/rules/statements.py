"""Statements that DSQL does not run at all."""

from __future__ import annotations

from dsql_dialect.rules.making import unsupported

BY_NODE_NAME = "refused under PostgreSQL's name for the statement, as the 16 recorded ones are"

RULES = (
    unsupported(
        "truncate",
        "TruncateStmt",
        "TRUNCATE is not available.",
        "Use DELETE FROM, in batches of at most 3,000 rows a transaction, or drop the table and create it again.",
        refused="TRUNCATE TABLE accounts",
        accepted="DELETE FROM accounts",
    ),
    unsupported(
        "merge",
        "MergeStmt",
        "MERGE is not available.",
        "Use INSERT … ON CONFLICT DO UPDATE, or an UPDATE and an INSERT in one transaction.",
        text="unsupported statement type: MERGE",
        refused="MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE",
        accepted="INSERT INTO a SELECT * FROM b ON CONFLICT (id) DO UPDATE SET v = excluded.v",
    ),
    unsupported(
        "create-extension",
        "CreateExtensionStmt",
        "Extensions are not available.",
        "Use what is built in (gen_random_uuid() needs no extension), or do the work in the application.",
        refused="CREATE EXTENSION IF NOT EXISTS pgcrypto",
        accepted="CREATE TABLE extension (id uuid PRIMARY KEY)",
    ),
    unsupported(
        "create-database",
        "CreatedbStmt",
        "A cluster has one database, called postgres.",
        "Use a schema (CREATE SCHEMA) in the database postgres, or a cluster of its own.",
        refused="CREATE DATABASE app",
        accepted="CREATE SCHEMA app",
    ),
)
