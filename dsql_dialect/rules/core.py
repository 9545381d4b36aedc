"""Rules for every statement: it is UTF-8, SQL, and known to run on DSQL."""

from __future__ import annotations

from dsql_dialect.rule import Rule
from dsql_dialect.rules.making import FEATURE_NOT_SUPPORTED, RECORDED

ENCODING = Rule(
    id="encoding",
    title="Text is not UTF-8, or has a zero byte",
    remedy="Save the text as UTF-8.",
    sqlstate="22021",
    text='invalid byte sequence for encoding "UTF8": {byte}',
    source="PostgreSQL 16, the encoding of every cluster is UTF8 (AWS user guide, PostgreSQL compatibility)",
    refused="SELECT '\0'",
    accepted="SELECT 'é'",
)

SYNTAX = Rule(
    id="syntax-error",
    title="Syntax error",
    remedy="Correct the statement at the token that the message names.",
    sqlstate="42601",
    text="{message}",
    source=f"PostgreSQL 16; {RECORDED}",
    refused="SELEC 1",
    accepted="SELECT 1",
)

UNSUPPORTED_STATEMENT = Rule(
    id="unsupported-statement",
    title="Unsupported statement",
    remedy="Use a statement that the Aurora DSQL user guide lists under supported SQL.",
    sqlstate=FEATURE_NOT_SUPPORTED,
    text="unsupported statement: {node}",
    source=f"{RECORDED}: PostgreSQL's name of the node without Stmt, in all 16 cases",
    refused="CHECKPOINT",
    accepted="ANALYZE accounts",
)

NOT_IMPLEMENTED = Rule(
    id="not-implemented",
    title="Clause that PostgreSQL parses but does not implement",
    remedy="Leave out the clause that the message names.",
    sqlstate=FEATURE_NOT_SUPPORTED,
    text="{message}",
    source="PostgreSQL 16",
    refused="CREATE TABLE a (b_id int REFERENCES b MATCH PARTIAL)",
    accepted="CREATE TABLE a (match int)",
)

INTERNAL_ERROR = Rule(
    id="internal-error",
    title="Error in this program",
    remedy="Report the statement and the message; until it is corrected, leave the statement out.",
    sqlstate="XX000",
    text="internal error in {place}: {error}",
    source="this package; PostgreSQL's SQLSTATE of internal errors",
    refused="",
    accepted="",
)
"""The finding in place of those of a rule that raises; a statement that cannot be judged is not run."""

RULES = (ENCODING, SYNTAX, NOT_IMPLEMENTED, UNSUPPORTED_STATEMENT)

ACCEPTED = frozenset(
    f"{name}Stmt"
    for name in (
        *("Select", "Insert", "Update", "Delete", "Copy", "Explain"),
        *("Transaction", "VariableSet", "VariableShow", "ConstraintsSet", "Deallocate", "Call", "Vacuum"),
        *("Create", "CreateSchema", "View", "Index", "CreateDomain", "CreateSeq", "CreateStats"),
        *("CreateFunction", "CreateRole", "Comment", "Drop", "DropRole", "Rename"),
        *("AlterTable", "AlterDomain", "AlterSeq", "AlterStats", "AlterRole", "AlterRoleSet"),
        *("AlterOwner", "AlterObjectSchema", "AlterDefaultPrivileges", "Grant", "GrantRole"),
    )
)
"""The statements that DSQL runs, in some forms at least (AWS user guide, supported SQL; recordings)."""
