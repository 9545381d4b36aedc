"""The rules that no statement can escape: it must be text, SQL, and a statement that DSQL is known to run."""

from __future__ import annotations

from dsql_dialect.rule import Rule
from dsql_dialect.rules.making import FEATURE_NOT_SUPPORTED, RECORDED

ENCODING = Rule(
    id="encoding",
    sentence="SQL is UTF-8 text without zero bytes.",
    remedy="Save the text as UTF-8.",
    sqlstate="22021",
    text='invalid byte sequence for encoding "UTF8": {byte}',
    source="PostgreSQL 16, the encoding of every cluster is UTF8 (AWS user guide, PostgreSQL compatibility)",
    refused="SELECT '\0'",
    accepted="SELECT 'é'",
)

SYNTAX = Rule(
    id="syntax-error",
    sentence="A statement follows PostgreSQL's grammar.",
    remedy="Correct the statement at the token that the message names.",
    sqlstate="42601",
    text="{message}",
    source=f"PostgreSQL 16; {RECORDED}",
    refused="SELEC 1",
    accepted="SELECT 1",
)

UNSUPPORTED_STATEMENT = Rule(
    id="unsupported-statement",
    sentence="Only statements that DSQL is known to run are accepted.",
    remedy="Use a statement that the Aurora DSQL user guide lists under supported SQL.",
    sqlstate=FEATURE_NOT_SUPPORTED,
    text="unsupported statement: {node}",
    source=f"{RECORDED}: PostgreSQL's name of the node without Stmt, in all 16 cases",
    refused="CHECKPOINT",
    accepted="ANALYZE accounts",
)

NOT_IMPLEMENTED = Rule(
    id="not-implemented",
    sentence="A few clauses are in PostgreSQL's grammar and in no PostgreSQL.",
    remedy="Leave out the clause that the message names.",
    sqlstate=FEATURE_NOT_SUPPORTED,
    text="{message}",
    source="PostgreSQL 16",
    refused="CREATE TABLE a (b_id int REFERENCES b MATCH PARTIAL)",
    accepted="CREATE TABLE a (match int)",
)

RULES = (ENCODING, SYNTAX, NOT_IMPLEMENTED, UNSUPPORTED_STATEMENT)

ACCEPTED = frozenset(
    f"{name}Stmt"
    for name in (
        *("Select", "Insert", "Update", "Delete", "Copy", "Explain"),
        *("Transaction", "VariableSet", "VariableShow", "ConstraintsSet", "Deallocate", "Call", "Vacuum"),
        *("Create", "CreateSchema", "View", "Index", "CreateDomain", "CreateSeq", "CreateStats"),
        *("CreateFunction", "CreateRole", "Comment", "Drop", "DropRole", "Rename"),
        *("AlterTable", "AlterDomain", "AlterSeq", "AlterStats", "AlterRole"),
        *("AlterOwner", "AlterObjectSchema", "AlterDefaultPrivileges", "Grant", "GrantRole"),
    )
)
"""The statements that DSQL runs, in some forms at least (AWS user guide, supported SQL; recordings)."""
