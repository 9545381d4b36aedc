"""Transactions: what may share one, and which control statements there are."""

from __future__ import annotations

from dsql_dialect.rule import Rule, Scope
from dsql_dialect.rules.making import FEATURE_NOT_SUPPORTED, RECORDED

MULTIPLE_DDL = Rule(
    id="multiple-ddl",
    sentence="A transaction holds one DDL statement.",
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
    sentence="A transaction changes either the catalog or rows.",
    remedy="Commit between the DDL statement and the INSERT, UPDATE or DELETE.",
    sqlstate=FEATURE_NOT_SUPPORTED,
    text="ddl and dml are not supported in the same transaction",
    source=RECORDED,
    refused="CREATE TABLE a (id int); INSERT INTO a VALUES (1)",
    accepted="CREATE TABLE a (id int); COMMIT; INSERT INTO a VALUES (1)",
    scope=Scope.TRANSACTION,
)

RULES = (MULTIPLE_DDL, DDL_WITH_DML)
