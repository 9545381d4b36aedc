"""Rules on ALTER TABLE: its unsupported commands."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from dsql_dialect.definitions import ADDED_CONSTRAINT
from dsql_dialect.profiles import allowed_in
from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import (
    BEFORE,
    GUIDE,
    LINTED,
    MOST_ROWS,
    RECORDED,
    always,
    refusal,
    where,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dsql_dialect.rule import Detector, Node

_LIFTED_CONSTRAINTS = date(2026, 8, 3)
_SINCE = allowed_in(_LIFTED_CONSTRAINTS)
_NEW_TABLE = "Create a table with the columns that you want, copy the rows in batches, and use the new table"

_ACCEPTED = frozenset(
    f"AT_{command}"
    for command in (
        *("AddColumn", "DropColumn", "ColumnDefault", "DropNotNull", "DropExpression", "SetStorage"),
        *("AddIdentity", "SetIdentity", "DropIdentity", "ChangeOwner"),
        *("AddConstraint", "AlterConstraint", "ValidateConstraint", "DropConstraint"),
        *("EnableTrigAll", "EnableTrigUser", "DisableTrigAll", "DisableTrigUser"),
    )
)
_ROW_SECURITY = {
    "AT_EnableRowSecurity": "ENABLE",
    "AT_DisableRowSecurity": "DISABLE",
    "AT_ForceRowSecurity": "FORCE",
    "AT_NoForceRowSecurity": "NO FORCE",
}
_OF_OTHERS = frozenset(
    {
        *("AT_AlterColumnType", "AT_SetNotNull", "AT_SetStatistics", "AT_SetCompression"),
        *("AT_SetOptions", "AT_ResetOptions", "AT_SetExpression", *_ROW_SECURITY),
    }
)
"""Commands that other rules of this file, or of the grammar, refuse with texts of their own."""


def _command(subtype: str, *words: str) -> Detector:
    return where(lambda node: node["subtype"] == subtype, *words)


_ALTERABLE = frozenset({"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_SEQUENCE", "OBJECT_TYPE"})
_SHOWN_OBJECTS = {"OBJECT_MATVIEW": "MATERIALIZED VIEW", "OBJECT_FOREIGN_TABLE": "FOREIGN TABLE"}


def _other_objects(node: Node) -> Iterator[Hit]:
    kind: str = node["objtype"]
    if kind not in _ALTERABLE:
        yield Hit(values={"object": _SHOWN_OBJECTS.get(kind, kind.removeprefix("OBJECT_"))})


def _other_commands(node: Node) -> Iterator[Hit]:
    subtype = node["subtype"]
    if subtype not in _ACCEPTED and subtype not in _OF_OTHERS:
        yield Hit(values={"command": " ".join(re.findall("[A-Z][a-z]*", subtype[3:])).upper()})


def _row_security(node: Node) -> Iterator[Hit]:
    if node["subtype"] in _ROW_SECURITY:
        yield Hit(words=("ROW",), values={"command": _ROW_SECURITY[node["subtype"]]})


def _column_constraints(node: Node) -> Iterator[Hit]:
    if node["subtype"] == "AT_AddColumn":
        added = node["def"]["ColumnDef"].get("constraints", ())
        yield from (Hit(each["Constraint"].get("location")) for each in added[:1])


def _addable(constraint: Node) -> bool:
    if constraint["contype"] == "CONSTR_UNIQUE":
        return "indexname" in constraint
    return constraint["contype"] in ("CONSTR_CHECK", "CONSTR_FOREIGN") and bool(
        constraint.get("skip_validation")
    )


def _validation(*, asynchronous: bool) -> Detector:
    def find(node: Node) -> Iterator[Hit]:
        for each in node["cmds"]:
            if (
                each["AlterTableCmd"]["subtype"] == "AT_ValidateConstraint"
                and node.get("async", False) == asynchronous
            ):
                yield Hit(words=("VALIDATE",))

    return find


def _other_async(node: Node) -> Iterable[Hit]:
    validates = [each["AlterTableCmd"]["subtype"] == "AT_ValidateConstraint" for each in node["cmds"]]
    return (Hit(words=("ASYNC",)),) if node.get("async") and validates != [True] else ()


RULES = (
    refusal(
        "add-column-constraint",
        "ADD COLUMN with a default or a constraint",
        "Add the column without default or constraint; then ALTER COLUMN … SET DEFAULT, fill existing rows in batches "
        f"of {MOST_ROWS}, and ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID ({_SINCE}) where it must be filled.",
        text="ALTER TABLE ADD COLUMN with constraint not supported",
        nodes=("AlterTableCmd",),
        find=_column_constraints,
        refused="ALTER TABLE a ADD COLUMN status text DEFAULT 'new'",
        accepted="ALTER TABLE a ADD COLUMN default_status text",
    ),
    refusal(
        "drop-column",
        "DROP COLUMN is not supported",
        f"{_NEW_TABLE}; or leave the column and stop using it.",
        text="unsupported ALTER TABLE DROP COLUMN statement",
        nodes=("AlterTableCmd",),
        find=_command("AT_DropColumn", "DROP"),
        refused="ALTER TABLE a DROP COLUMN v",
        accepted="ALTER TABLE a ALTER COLUMN v DROP DEFAULT",
        source=BEFORE,
        lifted=date(2026, 8, 3),
    ),
    refusal(
        "alter-column-type",
        "ALTER COLUMN … TYPE is not supported",
        f"{_NEW_TABLE}; or add a column of the new type and fill it in batches.",
        text="unsupported ALTER TABLE ALTER COLUMN ... SET DATA TYPE statement",
        nodes=("AlterTableCmd",),
        find=_command("AT_AlterColumnType", "TYPE"),
        refused="ALTER TABLE a ALTER COLUMN v TYPE varchar(20)",
        accepted="ALTER TABLE a ADD COLUMN type varchar(20)",
    ),
    refusal(
        "set-not-null",
        "ALTER COLUMN … SET NOT NULL is not supported",
        "ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID, then ALTER TABLE ASYNC … VALIDATE CONSTRAINT "
        f"({_SINCE}); without these, keep NULL out in the application.",
        text="unsupported ALTER TABLE ALTER COLUMN ... SET NOT NULL statement",
        nodes=("AlterTableCmd",),
        find=_command("AT_SetNotNull", "NOT"),
        refused="ALTER TABLE a ALTER COLUMN v SET NOT NULL",
        accepted="ALTER TABLE a ALTER COLUMN v DROP NOT NULL",
        source="recorded 2026-09-23, eu-central-1",
    ),
    refusal(
        "set-statistics",
        "ALTER COLUMN … SET STATISTICS is not supported",
        "Delete the statement; where columns depend on each other, CREATE STATISTICS helps the planner.",
        text="unsupported ALTER TABLE ALTER COLUMN ... SET STATISTICS statement",
        nodes=("AlterTableCmd",),
        find=_command("AT_SetStatistics", "STATISTICS"),
        refused="ALTER TABLE a ALTER COLUMN v SET STATISTICS 100",
        accepted="ALTER TABLE a ALTER COLUMN v SET STORAGE PLAIN",
    ),
    refusal(
        "set-compression",
        "ALTER COLUMN … SET COMPRESSION is not supported",
        "Delete the statement.",
        text="unsupported ALTER TABLE ALTER COLUMN ... SET COMPRESSION statement",
        nodes=("AlterTableCmd",),
        find=_command("AT_SetCompression", "COMPRESSION"),
        refused="ALTER TABLE a ALTER COLUMN v SET COMPRESSION pglz",
        accepted="ALTER TABLE a ALTER COLUMN v SET STORAGE EXTERNAL",
        source=LINTED,
    ),
    refusal(
        "column-options",
        "Options of a column are not supported",
        "Delete the statement.",
        text="unsupported ALTER TABLE ALTER COLUMN ... SET OPTIONS statement",
        nodes=("AlterTableCmd",),
        find=where(lambda node: node["subtype"] in ("AT_SetOptions", "AT_ResetOptions")),
        refused="ALTER TABLE a ALTER COLUMN v SET (n_distinct = 5)",
        accepted="ALTER TABLE a ALTER COLUMN v SET DEFAULT 5",
        source=GUIDE,
    ),
    refusal(
        "add-constraint",
        "ADD CONSTRAINT other than CHECK or FOREIGN KEY with NOT VALID, or UNIQUE USING INDEX",
        f"Add NOT VALID and validate with ALTER TABLE ASYNC … VALIDATE CONSTRAINT ({_SINCE}); for UNIQUE, a "
        "CREATE UNIQUE INDEX ASYNC is enough; a PRIMARY KEY is given in CREATE TABLE.",
        text="unsupported ALTER TABLE ADD CONSTRAINT statement",
        nodes=(ADDED_CONSTRAINT,),
        find=where(lambda each: not _addable(each) and each["contype"] != "CONSTR_NOTNULL"),
        refused="ALTER TABLE a ADD CONSTRAINT c UNIQUE (v)",
        accepted="ALTER TABLE a ADD CONSTRAINT c CHECK (v <> '') NOT VALID",
    ),
    refusal(
        "add-constraint-not-valid",
        "ADD CONSTRAINT is not supported",
        "Give the constraint in CREATE TABLE.",
        text="unsupported ALTER TABLE ADD CONSTRAINT statement",
        nodes=(ADDED_CONSTRAINT,),
        find=where(lambda each: _addable(each) and each["contype"] != "CONSTR_FOREIGN"),
        refused="ALTER TABLE a ADD CONSTRAINT c CHECK (v <> '') NOT VALID",
        accepted="ALTER TABLE a DROP CONSTRAINT c",
        source=f"AWS release notes; text {RECORDED}",
        lifted=_LIFTED_CONSTRAINTS,
    ),
    refusal(
        "validate-constraint-sync",
        "VALIDATE CONSTRAINT without ASYNC",
        "Write ALTER TABLE ASYNC … VALIDATE CONSTRAINT.",
        text="unsupported ALTER TABLE VALIDATE CONSTRAINT statement",
        nodes=("AlterTableStmt",),
        find=_validation(asynchronous=False),
        refused="ALTER TABLE a VALIDATE CONSTRAINT c",
        accepted="ALTER TABLE ASYNC a VALIDATE CONSTRAINT c",
    ),
    refusal(
        "validate-constraint",
        "VALIDATE CONSTRAINT is not supported",
        "Give the constraint in CREATE TABLE.",
        text="unsupported ALTER TABLE VALIDATE CONSTRAINT statement",
        nodes=("AlterTableStmt",),
        find=_validation(asynchronous=True),
        refused="ALTER TABLE ASYNC a VALIDATE CONSTRAINT c",
        accepted="ALTER TABLE async ADD COLUMN v int",
        source=f"AWS release notes; text {RECORDED}",
        lifted=_LIFTED_CONSTRAINTS,
    ),
    refusal(
        "alter-table-async",
        "ALTER TABLE ASYNC with anything but one VALIDATE CONSTRAINT",
        "Leave out ASYNC: other changes take effect with the statement.",
        text="unsupported ALTER TABLE ASYNC statement",
        nodes=("AlterTableStmt",),
        find=_other_async,
        refused="ALTER TABLE ASYNC a ADD COLUMN v int",
        accepted="ALTER TABLE ASYNC IF EXISTS a VALIDATE CONSTRAINT c",
        source=GUIDE,
    ),
    refusal(
        "row-level-security",
        "Row-level security is not supported",
        "Filter by tenant or owner in the queries, and grant each role only the tables that it may see.",
        text="unsupported ALTER TABLE {command} ROW SECURITY",
        nodes=("AlterTableCmd",),
        find=_row_security,
        refused="ALTER TABLE a ENABLE ROW LEVEL SECURITY",
        accepted="ALTER TABLE a ENABLE TRIGGER ALL",
        source="measured 2026-08-19 to 28",
    ),
    refusal(
        "alter-table-command",
        "Unsupported ALTER TABLE command",
        "See ALTER TABLE in the Aurora DSQL user guide for the commands there are; storage, partitions, "
        "rules and replication are managed by DSQL.",
        text="unsupported ALTER TABLE {command} statement",
        nodes=("AlterTableCmd",),
        find=_other_commands,
        refused="ALTER TABLE a REPLICA IDENTITY FULL",
        accepted="ALTER TABLE a OWNER TO joe",
        source=LINTED,
    ),
    refusal(
        "alter-index",
        "ALTER of an index, a materialized view or a foreign table",
        "Drop the index, and create it anew with CREATE INDEX ASYNC.",
        text="unsupported ALTER {object} statement",
        nodes=("AlterTableStmt",),
        find=_other_objects,
        refused="ALTER INDEX i SET (fillfactor = 70)",
        accepted="ALTER VIEW v ALTER COLUMN c SET DEFAULT 1",
        source=LINTED,
    ),
    refusal(
        "alter-type",
        "Composite types are not supported",
        "Give each part a column, or store the whole as json.",
        text="ALTER TYPE not supported",
        nodes=("AlterTableStmt",),
        find=where(lambda node: node["objtype"] == "OBJECT_TYPE"),
        refused="ALTER TYPE pair ADD ATTRIBUTE c int",
        accepted="ALTER TABLE pair ADD COLUMN c int",
        source=f"{RECORDED} of ALTER TYPE … ADD VALUE",
    ),
    refusal(
        "move-all",
        "Tablespaces are not supported",
        "Delete the statement.",
        text="unsupported statement: AlterTableMoveAll",
        nodes=("AlterTableMoveAllStmt",),
        find=always,
        refused="ALTER TABLE ALL IN TABLESPACE x SET TABLESPACE y",
        accepted="ALTER TABLE a SET SCHEMA y",
        source=GUIDE,
    ),
)
