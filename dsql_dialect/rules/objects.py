"""Rules on views, domains, schemas and statistics, and on DROP, RENAME, SET SCHEMA and OWNER TO."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dsql_dialect.profiles import DOMAINS, PLPGSQL
from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import (
    AGENT_PLUGINS,
    AGENT_PLUGINS_DAY,
    BEFORE,
    GUIDE,
    LINTED,
    MINISTACK_DAY,
    RECORDED,
    refusal,
    unsupported,
    where,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_DROPPED = frozenset(
    f"OBJECT_{kind}"
    for kind in (
        *("TABLE", "VIEW", "INDEX", "SEQUENCE", "SCHEMA", "DOMAIN", "FUNCTION", "ROUTINE", "STATISTIC_EXT"),
    )
)
_RENAMED = frozenset(
    f"OBJECT_{kind}"
    for kind in (
        *("TABLE", "COLUMN", "TABCONSTRAINT", "VIEW", "SEQUENCE", "SCHEMA"),
        *("FUNCTION", "ROUTINE", "ROLE", "STATISTIC_EXT"),
    )
)
_ALTERED_DOMAIN = frozenset("TNX")
"""SET and DROP DEFAULT, DROP NOT NULL, DROP CONSTRAINT, in PostgreSQL's letters."""
_OWNED = _DROPPED - {"OBJECT_INDEX"}
_HIGHEST_TARGET = 100


def _not_droppable(node: Node) -> bool:
    no_op = node["removeType"] == "OBJECT_TRIGGER" and node.get("missing_ok")
    return node["removeType"] not in (*_DROPPED, "OBJECT_PROCEDURE") and not no_op


def _target_too_high(node: Node) -> Iterator[Hit]:
    target = node.get("stxstattarget", {}).get("Integer", {}).get("ival", 0)
    if target > _HIGHEST_TARGET:
        yield Hit(values={"target": str(target)})


RULES = (
    unsupported(
        "create-view",
        "ViewStmt",
        "Views are not supported",
        "Repeat the query, or keep it in the application.",
        refused="CREATE OR REPLACE VIEW v AS SELECT 1",
        accepted="WITH v AS (SELECT 1) SELECT * FROM v",
        source=f"outside the portable subset; accepted by a cluster, {RECORDED}",
        lifted=date(2026, 9, 18),
    ),
    refusal(
        "temp-view",
        "Temporary views are not supported",
        "Leave out TEMPORARY, or use WITH.",
        text="TEMPORARY or TEMP view not supported for CREATE VIEW",
        nodes=("ViewStmt",),
        find=where(lambda node: node["view"].get("relpersistence") == "t"),
        refused="CREATE TEMP VIEW v AS SELECT 1",
        accepted="CREATE VIEW temp AS SELECT 1",
        source=LINTED,
    ),
    unsupported(
        "create-domain",
        "CreateDomainStmt",
        "Domains are not supported",
        "Give the column the plain type, and the domain's condition as CHECK in CREATE TABLE.",
        refused="CREATE DOMAIN d AS text CHECK (VALUE <> '')",
        accepted="CREATE TABLE domain (v text CHECK (v <> ''))",
        source="outside the portable subset; accepted by a cluster, recorded 2026-09-16",
        lifted=DOMAINS,
    ),
    refusal(
        "schema-elements",
        "CREATE SCHEMA with elements",
        "Create the schema, then each object in a statement of its own.",
        text="CREATE SCHEMA with schema elements not supported",
        nodes=("CreateSchemaStmt",),
        find=where(lambda node: "schemaElts" in node),
        refused="CREATE SCHEMA s CREATE TABLE a (id int)",
        accepted="CREATE SCHEMA IF NOT EXISTS s",
        source=BEFORE,
        lifted=date(2026, 4, 24),
    ),
    unsupported(
        "create-statistics",
        "CreateStatsStmt",
        "Extended statistics are not supported",
        "Delete the statement; DSQL analyzes each column by itself.",
        refused="CREATE STATISTICS s ON v, w FROM a",
        accepted="ANALYZE a",
        source=BEFORE,
        lifted=date(2026, 8, 27),
    ),
    refusal(
        "statistics-target",
        f"Statistics target above {_HIGHEST_TARGET}",
        f"Write a target of at most {_HIGHEST_TARGET}, or -1 for the default.",
        sqlstate="22023",
        text=f"statistics target {{target}} exceeds maximum allowed value of {_HIGHEST_TARGET}",
        nodes=("AlterStatsStmt",),
        find=_target_too_high,
        refused="ALTER STATISTICS s SET STATISTICS 101",
        accepted="ALTER STATISTICS s SET STATISTICS 100",
        source=f"{AGENT_PLUGINS}; MiniStack 1.5.33, measured {MINISTACK_DAY}; AWS dsql-lint 0.2.22",
        since=AGENT_PLUGINS_DAY,
    ),
    refusal(
        "alter-domain",
        "ALTER DOMAIN that adds a constraint or renames",
        "Create a new domain, and use it for new columns.",
        text="unsupported ALTER DOMAIN statement",
        nodes=("AlterDomainStmt",),
        find=where(lambda node: node["subtype"] not in _ALTERED_DOMAIN),
        refused="ALTER DOMAIN d ADD CHECK (VALUE <> '')",
        accepted="ALTER DOMAIN d DROP CONSTRAINT c",
        source=LINTED,
    ),
    refusal(
        "drop-object",
        "DROP of an unsupported kind of object",
        "Delete the statement: DSQL has no objects of this kind.",
        text="unsupported object in DROP statement",
        nodes=("DropStmt",),
        find=where(_not_droppable),
        refused="DROP TYPE IF EXISTS t",
        accepted="DROP TRIGGER IF EXISTS t ON a",
    ),
    refusal(
        "drop-procedure",
        "DROP PROCEDURE is not supported",
        "Delete the statement.",
        text="unsupported object in DROP statement",
        nodes=("DropStmt",),
        find=where(lambda node: node["removeType"] == "OBJECT_PROCEDURE"),
        refused="DROP PROCEDURE IF EXISTS p",
        accepted="DROP FUNCTION IF EXISTS p",
        source=f"unknown since dialects have procedures, and accepted then; before, {RECORDED}",
        lifted=PLPGSQL,
    ),
    refusal(
        "drop-index-concurrently",
        "DROP INDEX CONCURRENTLY is not supported",
        "Leave out CONCURRENTLY.",
        text="CONCURRENTLY not supported for DROP INDEX",
        nodes=("DropStmt",),
        find=where(lambda node: node.get("concurrent"), "CONCURRENTLY"),
        refused="DROP INDEX CONCURRENTLY i",
        accepted="DROP INDEX IF EXISTS i",
        source=GUIDE,
    ),
    refusal(
        "rename-object",
        "RENAME of an unsupported kind of object",
        "Create the object under the new name, and drop the old one; an index with CREATE INDEX ASYNC.",
        text="unsupported object in RENAME statement",
        nodes=("RenameStmt",),
        find=where(lambda node: node["renameType"] not in _RENAMED),
        refused="ALTER TYPE t RENAME TO u",
        accepted="ALTER TABLE a RENAME COLUMN type TO kind",
        source=f"{RECORDED} of a type; an index: AWS dsql-lint 0.2.22, refused by a cluster in its tests",
    ),
    refusal(
        "owner-of-object",
        "OWNER TO on an unsupported kind of object",
        "Delete the statement.",
        text="unsupported object in ALTER OWNER statement",
        nodes=("AlterOwnerStmt",),
        find=where(lambda node: node["objectType"] not in _OWNED),
        refused="ALTER DATABASE postgres OWNER TO joe",
        accepted="ALTER SCHEMA s OWNER TO joe",
        source=GUIDE,
    ),
    refusal(
        "schema-of-object",
        "SET SCHEMA on an unsupported kind of object",
        "Delete the statement.",
        text="unsupported object in SET SCHEMA statement",
        nodes=("AlterObjectSchemaStmt",),
        find=where(lambda node: node["objectType"] not in _OWNED),
        refused="ALTER EXTENSION x SET SCHEMA s",
        accepted="ALTER TABLE a SET SCHEMA s",
        source=GUIDE,
    ),
)
