"""Rules on bodies in PL/pgSQL, which `dsql_dialect.plpgsql` reads: they have no node of a parse tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.json_tree import words
from dsql_dialect.profiles import PLPGSQL
from dsql_dialect.rule import Hit, Rule
from dsql_dialect.rules.making import FEATURE_NOT_SUPPORTED, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node
    from dsql_dialect.statement import Statement

_UNKNOWN = "unknown: the readable part of AWS's page on PL/pgSQL does not say; refused until it is known"
_ALLOWED = frozenset({"Select", "Insert", "Update", "Delete", "Call"})


def _in_body(
    rule_id: str,
    title: str,
    remedy: str,
    text: str,
    *,
    refused: str,
    accepted: str,
    source: str,
    sqlstate: str = FEATURE_NOT_SUPPORTED,
) -> Rule:
    return Rule(
        id=rule_id,
        title=title,
        remedy=remedy,
        text=text,
        sqlstate=sqlstate,
        source=source,
        refused=refused,
        accepted=accepted,
        since=PLPGSQL,
        in_body=True,
    )


def _trigger_function(node: Node) -> Iterator[Hit]:
    returned = words(node.get("returnType", {}).get("names", ()))
    if returned[-1:] in (["trigger"], ["event_trigger"]):
        yield Hit(node["returnType"].get("location"), values={"type": returned[-1]})


def may_be_in_a_body(statement: Statement) -> bool:
    """Return whether a body may run a statement that the dialect accepts by itself."""
    return statement.node in _ALLOWED and not statement.outside_transaction


STATEMENT = _in_body(
    "plpgsql-statement",
    "PL/pgSQL body with a statement other than SELECT, INSERT, UPDATE, DELETE or CALL",
    "Leave SELECT, INSERT, UPDATE, DELETE and CALL in the body, and send the statement by itself.",
    "unsupported statement: {node}",
    refused="DO $$ BEGIN CREATE TABLE a (id int); END $$",
    accepted="DO $$ BEGIN INSERT INTO a VALUES (1); END $$",
    source=f"{_UNKNOWN}; text as recorded for bodies of SQL functions",
)
COMMIT_IN_FUNCTION = _in_body(
    "commit-in-function",
    "COMMIT or ROLLBACK in a function",
    "Write a procedure, and CALL it outside of a transaction.",
    "invalid transaction termination",
    sqlstate="2D000",
    refused="CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
    accepted="CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
    source="PostgreSQL 16, at every call of such a function",
)
COMMIT_IN_DO = _in_body(
    "commit-in-do",
    "COMMIT or ROLLBACK in a DO block",
    "Write a procedure, and CALL it outside of a transaction.",
    "unsupported transaction statement: {verb}",
    refused="DO $$ BEGIN COMMIT; END $$",
    accepted="DO $$ BEGIN PERFORM 1; END $$",
    source="AWS user guide, working with PL/pgSQL, names COMMIT and ROLLBACK for procedures alone",
)
TRIGGER_FUNCTION = refusal(
    "trigger-function",
    "Trigger function",
    "Do the work in the application, in the transaction that changes the rows.",
    text="type {type} is not supported as the result of a function",
    nodes=("CreateFunctionStmt",),
    find=_trigger_function,
    refused="CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    accepted="CREATE FUNCTION trigger() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
    source=f"{_UNKNOWN}; CREATE TRIGGER is refused, so such a function could never run",
    since=PLPGSQL,
)
RULES = (STATEMENT, COMMIT_IN_FUNCTION, COMMIT_IN_DO, TRIGGER_FUNCTION)
