"""Rules on transactions: their statements, isolation level and control."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.classify import verb
from dsql_dialect.rule import Hit, Rule, Scope
from dsql_dialect.rules.making import FEATURE_NOT_SUPPORTED, GUIDE, RECORDED, options, refusal, where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_RUN = frozenset({"BEGIN", "COMMIT", "ROLLBACK"})


def _isolation_levels(node: Node) -> Iterator[Hit]:
    """Yield the isolation levels other than REPEATABLE READ of BEGIN … and SET TRANSACTION …."""
    for option in options(node, "args" if "args" in node else "options"):
        if option["defname"] == "transaction_isolation":
            constant = option["arg"]["A_Const"]
            level = constant["sval"]["sval"]
            if level != "repeatable read":
                yield Hit(constant.get("location"), values={"level": level.upper()})


def _set_multiple(node: Node) -> Iterator[Hit]:
    return _isolation_levels(node) if node.get("kind") == "VAR_SET_MULTI" and _has_options(node) else iter(())


def _has_options(node: Node) -> bool:
    return all("DefElem" in each for each in node.get("args", ()))


def _savepoints(node: Node) -> Iterator[Hit]:
    if verb(node) not in _RUN:
        yield Hit(values={"verb": verb(node)})


MULTIPLE_DDL = Rule(
    id="multiple-ddl",
    title="Second DDL statement in a transaction",
    remedy="Run each DDL statement in a transaction of its own.",
    sqlstate=FEATURE_NOT_SUPPORTED,
    text="multiple ddl statements not supported in a transaction",
    source=RECORDED,
    refused="BEGIN; CREATE TABLE a (id int); CREATE TABLE b (id int)",
    accepted="BEGIN; CREATE TABLE a (id int); COMMIT; CREATE TABLE b (id int)",
    scope=Scope.TRANSACTION,
)

DDL_WITH_DML = Rule(
    id="ddl-with-dml",
    title="DDL and changes of rows in one transaction",
    remedy="Commit between the DDL statement and the INSERT, UPDATE or DELETE.",
    sqlstate=FEATURE_NOT_SUPPORTED,
    text="ddl and dml are not supported in the same transaction",
    source=RECORDED,
    refused="CREATE TABLE a (id int); INSERT INTO a VALUES (1)",
    accepted="CREATE TABLE a (id int); COMMIT; INSERT INTO a VALUES (1)",
    scope=Scope.TRANSACTION,
)

RULES = (
    MULTIPLE_DDL,
    DDL_WITH_DML,
    refusal(
        "isolation-level",
        "Isolation level other than REPEATABLE READ",
        "Leave out ISOLATION LEVEL. Against write skew, read the rows that decide with FOR UPDATE.",
        text="Unsupported isolation level: {level}",
        nodes=("TransactionStmt",),
        find=_isolation_levels,
        refused="BEGIN ISOLATION LEVEL SERIALIZABLE",
        accepted="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    ),
    refusal(
        "set-isolation-level",
        "Isolation level other than REPEATABLE READ",
        "Delete the statement. Against write skew, read the rows that decide with FOR UPDATE.",
        text="Unsupported isolation level: {level}",
        nodes=("VariableSetStmt",),
        find=_set_multiple,
        refused="SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        accepted="SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    ),
    refusal(
        "savepoint",
        "Savepoints and two-phase commit are not supported",
        "Do what may fail in a transaction of its own, or check before it fails (ON CONFLICT DO NOTHING).",
        text="unsupported transaction statement: {verb}",
        nodes=("TransactionStmt",),
        find=_savepoints,
        refused="SAVEPOINT a",
        accepted="ROLLBACK",
    ),
    refusal(
        "transaction-chain",
        "AND CHAIN is not supported",
        "Write COMMIT, then BEGIN.",
        text="unsupported transaction statement: AND CHAIN",
        nodes=("TransactionStmt",),
        find=where(lambda node: node.get("chain"), "CHAIN"),
        refused="COMMIT AND CHAIN",
        accepted="COMMIT AND NO CHAIN",
        source=GUIDE,
    ),
)
