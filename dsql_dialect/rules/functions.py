"""Rules on functions, procedures, triggers, DO and CALL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dsql_dialect.bodies import atomic, body, place, statements
from dsql_dialect.classify import calls_known_procedure
from dsql_dialect.libpg_query import SqlSyntaxError
from dsql_dialect.plpgsql.bodies import PLPGSQL as PLPGSQL_LANGUAGE
from dsql_dialect.plpgsql.bodies import language
from dsql_dialect.profiles import PLPGSQL
from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import BY_NODE, GUIDE, RECORDED, options, refusal, unsupported, where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_LINTED_PROCEDURE = "AWS dsql-lint, statements refused by a live cluster in August 2026"
_IN_THE_APPLICATION = "Do the work in the application, in the transaction that changes the rows."


def _language(node: Node, *, plpgsql: bool) -> Iterator[Hit]:
    """Yield the language of a function that is not SQL: PL/pgSQL, or any other."""
    for option in options(node):
        if option["defname"] == "language" and not node.get("is_procedure"):
            language = option["arg"]["String"].get("sval", "")
            if language.lower() != "sql" and (language.lower() == PLPGSQL_LANGUAGE) == plpgsql:
                yield Hit(option.get("location"), values={"language": language})


def _is_procedure(node: Node, *, plpgsql: bool) -> bool:
    return bool(node.get("is_procedure")) and (language(node) == PLPGSQL_LANGUAGE) == plpgsql


_IN_A_BODY = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "ReturnStmt"})


def _other_statement_in_body(node: Node) -> Iterator[Hit]:
    text = body(node)
    try:
        trees = atomic(node) if text is None else statements(text)
    except SqlSyntaxError:
        return  # the parser reports the error
    for tree in trees:
        name = next(iter(tree))
        if name not in _IN_A_BODY:
            yield Hit(place(node), values={"node": name.removesuffix("Stmt")})


def _subquery(node: Node) -> Iterator[Hit]:
    for argument in node["funccall"].get("args", ()):
        if "SubLink" in argument:
            yield Hit(argument["SubLink"].get("location"))


RULES = (
    refusal(
        "function-language",
        "Function in a language other than SQL",
        f"Write the function with LANGUAGE sql. {_IN_THE_APPLICATION}",
        text="CREATE FUNCTION with language {language} not supported",
        nodes=("CreateFunctionStmt",),
        find=partial(_language, plpgsql=True),
        refused="CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
        accepted="CREATE FUNCTION plpgsql() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
        lifted=PLPGSQL,
    ),
    refusal(
        "function-other-language",
        "Function in a language other than SQL and PL/pgSQL",
        f"Write the function with LANGUAGE sql or plpgsql. {_IN_THE_APPLICATION}",
        text="CREATE FUNCTION with language {language} not supported",
        nodes=("CreateFunctionStmt",),
        find=partial(_language, plpgsql=False),
        refused="CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS $$ return 1 $$",
        accepted="CREATE FUNCTION plpython3u() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$",
        source=f"the text for plpgsql, {RECORDED}",
    ),
    refusal(
        "create-procedure",
        "Procedures are not supported",
        f"Write a function with LANGUAGE sql. {_IN_THE_APPLICATION}",
        text="PROCEDURE is not supported",
        nodes=("CreateFunctionStmt",),
        find=where(partial(_is_procedure, plpgsql=True), "PROCEDURE"),
        refused="CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$",
        accepted="CREATE FUNCTION procedure() RETURNS int LANGUAGE sql RETURN 1",
        source=_LINTED_PROCEDURE,
        lifted=PLPGSQL,
    ),
    refusal(
        "procedure-language",
        "Procedure in a language other than PL/pgSQL",
        f"Write the procedure with LANGUAGE plpgsql, or a function with LANGUAGE sql. {_IN_THE_APPLICATION}",
        text="PROCEDURE is not supported",
        nodes=("CreateFunctionStmt",),
        find=where(partial(_is_procedure, plpgsql=False), "PROCEDURE"),
        refused="CREATE PROCEDURE p() LANGUAGE sql AS $$ SELECT 1 $$",
        accepted="CREATE FUNCTION procedure() RETURNS int LANGUAGE sql RETURN 1",
        source=f"{_LINTED_PROCEDURE}; AWS's page on PL/pgSQL names procedures in PL/pgSQL alone",
    ),
    refusal(
        "function-body",
        "Function body with a statement other than SELECT, INSERT, UPDATE or DELETE",
        "Leave SELECT, INSERT, UPDATE and DELETE in the function, and send the statement by itself.",
        text="unsupported statement: {node}",
        nodes=("CreateFunctionStmt",),
        find=_other_statement_in_body,
        refused="CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SET search_path = app $$",
        accepted="CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ INSERT INTO a VALUES (1) $$",
        source=BY_NODE,
    ),
    unsupported(
        "alter-function",
        "AlterFunctionStmt",
        "ALTER FUNCTION is not supported",
        "Use CREATE OR REPLACE FUNCTION with the new properties.",
        refused="ALTER FUNCTION f() IMMUTABLE",
        accepted="ALTER FUNCTION f() RENAME TO g",
        source=BY_NODE,
    ),
    unsupported(
        "create-trigger",
        "CreateTrigStmt",
        "Triggers are not supported",
        _IN_THE_APPLICATION,
        text="CREATE TRIGGER not supported",
        refused="CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()",
        accepted="CREATE TABLE trigger (id int)",
    ),
    unsupported(
        "create-event-trigger",
        "CreateEventTrigStmt",
        "Event triggers are not supported",
        "Check migrations before they run: `blocks lint` in CI.",
        refused="CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f()",
        accepted="CREATE TABLE event (id int)",
        source=BY_NODE,
    ),
    unsupported(
        "do-block",
        "DoStmt",
        "DO blocks are not supported",
        "Write the statements one by one; what needs a loop or a condition belongs in the application.",
        refused="DO $$ BEGIN PERFORM 1; END $$",
        accepted="INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING",
        source=BY_NODE,
        lifted=PLPGSQL,
    ),
    refusal(
        "call",
        "CALL of a procedure other than sys.wait_for_job",
        f"Use SELECT f(…) for a function. {_IN_THE_APPLICATION}",
        remedy_in_migration="Write the statements of the procedure in its place.",
        text="unsupported statement: Call",
        nodes=("CallStmt",),
        find=where(lambda node: not calls_known_procedure(node)),
        refused="CALL p()",
        accepted="CALL sys.wait_for_job('abc')",
        source=GUIDE,
        lifted=PLPGSQL,
    ),
    refusal(
        "call-subquery",
        "Subquery as an argument of CALL",
        "Read the job's id first, then pass it: CALL sys.wait_for_job($1).",
        remedy_in_migration="Delete it: the migrator waits for every index build and validation.",
        text="cannot use subquery in CALL argument",
        nodes=("CallStmt",),
        find=_subquery,
        refused="CALL sys.wait_for_job((SELECT job_id FROM sys.jobs LIMIT 1))",
        accepted="CALL sys.wait_for_job($1)",
    ),
)
