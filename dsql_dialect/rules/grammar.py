"""Rules on syntax that PostgreSQL 17 and 18 have and 16, whose grammar is DSQL's, has not.

The parser is PostgreSQL 18's, so these rules refuse at the token at which 16 reports a syntax error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import options, refusal, where
from dsql_dialect.rules.queries import function_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Detector, Node, Rule

_NEWER = "PostgreSQL 16 grammar"
_TEXT = 'syntax error at or near "{token}"'
_NEW_EXPLAIN_OPTIONS = frozenset({"serialize", "memory"})
_NEW_COPY_OPTIONS = frozenset({"on_error", "log_verbosity", "reject_limit"})
_NEW_FUNCTIONS = {
    "JSON_EXISTS_OP": "json_exists",
    "JSON_QUERY_OP": "json_query",
    "JSON_VALUE_OP": "json_value",
}


def _newer(
    rule_id: str,
    title: str,
    remedy: str,
    nodes: tuple[str, ...],
    find: Detector,
    *,
    refused: str,
    accepted: str,
) -> Rule:
    return refusal(
        rule_id,
        title,
        remedy,
        sqlstate="42601",
        text=_TEXT,
        nodes=nodes,
        find=find,
        refused=refused,
        accepted=accepted,
        source=_NEWER,
    )


def _virtual(constraint: Node) -> Iterator[Hit]:
    if constraint["contype"] == "CONSTR_GENERATED" and constraint.get("generated_kind") == "v":
        yield Hit(constraint.get("location"), after_parentheses=True)


_SPELLED = frozenset({"CONSTR_ATTR_ENFORCED", "CONSTR_ATTR_NOT_ENFORCED"})
_CHECKED = frozenset({"CONSTR_CHECK", "CONSTR_FOREIGN"})


def _enforced(node: Node) -> bool:
    """Return whether a constraint, or its ALTER, says that it is enforced or not."""
    unenforced = node.get("contype") in _CHECKED and not node.get("is_enforced")
    return unenforced or node.get("contype") in _SPELLED or bool(node.get("alterEnforceability"))


def _not_null(constraint: Node) -> bool:
    return str(constraint["contype"]) == "CONSTR_NOTNULL"


def _temporal(constraint: Node) -> Iterator[Hit]:
    if constraint.get("without_overlaps"):
        yield Hit(constraint.get("location"), ("WITHOUT",))
    elif constraint.get("fk_with_period"):
        yield Hit(constraint.get("location"), ("PERIOD",))


def _set_expression(node: Node) -> Iterator[Hit]:
    if node["subtype"] == "AT_SetExpression":
        yield Hit(words=("EXPRESSION",))


def _returning_options(node: Node) -> Iterator[Hit]:
    if "options" in node:
        yield Hit(words=("RETURNING",), next_token=True)


def _merge(node: Node) -> Iterator[Hit]:
    if "returningClause" in node:
        yield Hit(words=("RETURNING",))
    for each in node.get("mergeWhenClauses", ()):
        if each["MergeWhenClause"].get("matchKind") == "MERGE_WHEN_NOT_MATCHED_BY_SOURCE":
            yield Hit(words=("BY",))


def _at_local(node: Node) -> Iterator[Hit]:
    zoned = function_name(node) == "timezone" and node.get("funcformat") == "COERCE_SQL_SYNTAX"
    if zoned and len(node.get("args", ())) == 1:
        yield Hit(words=("LOCAL",))


def _json_table(node: Node) -> Iterator[Hit]:
    yield Hit(node.get("location"), ("COLUMNS", "PASSING"))


def _json_function(node: Node) -> Iterator[Hit]:
    constructor = "json_serialize" if "raw_expr" in node.get("expr", {}) else "json_scalar"
    yield Hit(node.get("location"), values={"function": _NEW_FUNCTIONS.get(node.get("op", ""), constructor)})


def _option(names: frozenset[str]) -> Detector:
    def find(node: Node) -> Iterator[Hit]:
        for option in options(node):
            if option["defname"].lower() in names:
                yield Hit(option.get("location"), values={"option": option["defname"]})

    return find


def _maintain(node: Node) -> Iterator[Hit]:
    for each in node.get("privileges", ()):
        if each["AccessPriv"].get("priv_name") == "maintain":
            yield Hit(words=("MAINTAIN",))


RULES = (
    _newer(
        "virtual-column",
        "Virtual generated column",
        "Write GENERATED ALWAYS AS (…) STORED.",
        ("Constraint",),
        _virtual,
        refused="CREATE TABLE a (v int, w int GENERATED ALWAYS AS (v * 2) VIRTUAL)",
        accepted="CREATE TABLE a (v int, w int GENERATED ALWAYS AS (v * 2) STORED)",
    ),
    _newer(
        "enforced",
        "ENFORCED or NOT ENFORCED on a constraint",
        "Leave out ENFORCED and NOT ENFORCED.",
        ("Constraint", "ATAlterConstraint"),
        where(_enforced, "ENFORCED"),
        refused="CREATE TABLE a (v int, CHECK (v > 0) NOT ENFORCED)",
        accepted="CREATE TABLE a (enforced int CHECK (enforced > 0))",
    ),
    _newer(
        "table-not-null",
        "NOT NULL as a table constraint",
        "Write NOT NULL behind the column's type.",
        ("Constraint",),
        where(lambda each: _not_null(each) and "keys" in each, "NOT"),
        refused="CREATE TABLE a (v int, CONSTRAINT c NOT NULL v)",
        accepted="CREATE TABLE a (v int CONSTRAINT c NOT NULL)",
    ),
    _newer(
        "not-null-inheritance",
        "NO INHERIT on a NOT NULL constraint",
        "Leave out NO INHERIT.",
        ("Constraint",),
        where(lambda each: _not_null(each) and "keys" not in each and each.get("is_no_inherit"), "NO"),
        refused="CREATE TABLE a (v int NOT NULL NO INHERIT)",
        accepted="CREATE TABLE a (v int CHECK (v > 0) NO INHERIT)",
    ),
    _newer(
        "alter-constraint-inherit",
        "ALTER CONSTRAINT … INHERIT is not supported",
        "Delete the statement: tables do not inherit.",
        ("ATAlterConstraint",),
        where(lambda each: each.get("alterInheritability") and not each.get("noinherit"), "INHERIT"),
        refused="ALTER TABLE a ALTER CONSTRAINT c INHERIT",
        accepted="ALTER TABLE a ALTER CONSTRAINT c DEFERRABLE",
    ),
    refusal(
        "alter-constraint-no-inherit",
        "ALTER CONSTRAINT … NO INHERIT is not supported",
        "Delete the statement: tables do not inherit.",
        text="FOREIGN KEY constraints cannot be marked NO INHERIT",
        nodes=("ATAlterConstraint",),
        find=where(lambda each: each.get("alterInheritability") and each.get("noinherit"), "NO"),
        refused="ALTER TABLE a ALTER CONSTRAINT c NO INHERIT",
        accepted="ALTER TABLE a ALTER CONSTRAINT c NOT DEFERRABLE",
        source=_NEWER,
    ),
    _newer(
        "temporal-key",
        "WITHOUT OVERLAPS or PERIOD in a key",
        "Store the two ends of a period in two columns, and check overlaps in the transaction that writes.",
        ("Constraint",),
        _temporal,
        refused="CREATE TABLE a (id int, p int, PRIMARY KEY (id, p WITHOUT OVERLAPS))",
        accepted="CREATE TABLE a (id int, period int, PRIMARY KEY (id, period))",
    ),
    _newer(
        "set-expression",
        "ALTER COLUMN … SET EXPRESSION is not supported",
        "DROP EXPRESSION, and keep the column in the application from then on.",
        ("AlterTableCmd",),
        _set_expression,
        refused="ALTER TABLE a ALTER COLUMN v SET EXPRESSION AS (w * 2)",
        accepted="ALTER TABLE a ALTER COLUMN v DROP EXPRESSION",
    ),
    _newer(
        "returning-options",
        "RETURNING WITH (OLD …) is not supported",
        "Leave out WITH (OLD …); read the old row first, in the same transaction.",
        ("returningClause",),
        _returning_options,
        refused="UPDATE a SET v = 1 RETURNING WITH (OLD AS o) o.v",
        accepted="WITH o AS (SELECT 1) UPDATE a SET v = 1 RETURNING v",
    ),
    _newer(
        "merge-grammar",
        "MERGE is not supported",
        "Use INSERT … ON CONFLICT DO UPDATE, or an UPDATE and an INSERT in one transaction.",
        ("MergeStmt",),
        _merge,
        refused="MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE RETURNING a.id",
        accepted="DELETE FROM a USING b WHERE a.id = b.id RETURNING a.id",
    ),
    _newer(
        "at-local",
        "AT LOCAL is not supported",
        "Write AT TIME ZONE current_setting('TimeZone').",
        ("FuncCall",),
        _at_local,
        refused="SELECT now() AT LOCAL",
        accepted="SELECT now() AT TIME ZONE 'UTC'",
    ),
    _newer(
        "json-table",
        "JSON_TABLE is not supported",
        "Use json_to_recordset or jsonb_path_query.",
        ("JsonTable",),
        _json_table,
        refused="SELECT * FROM JSON_TABLE('[]', '$[*]' COLUMNS (id int PATH '$'))",
        accepted="SELECT * FROM json_to_recordset('[]') AS columns(id int)",
    ),
    refusal(
        "json-function",
        "JSON_EXISTS, JSON_QUERY, JSON_VALUE, JSON_SCALAR and JSON_SERIALIZE are not supported",
        "Use jsonb_path_exists, jsonb_path_query, jsonb_path_query_first, to_json and a cast to text.",
        sqlstate="42883",
        text="function {function} does not exist",
        nodes=("JsonFuncExpr", "JsonScalarExpr", "JsonSerializeExpr"),
        find=_json_function,
        refused="SELECT JSON_EXISTS('{}', '$.a')",
        accepted="SELECT JSON_OBJECT('a': 1), '{}' IS JSON",
        source="PostgreSQL 16, without the types of the arguments",
    ),
    refusal(
        "explain-option",
        "EXPLAIN option of a later PostgreSQL",
        "Leave out SERIALIZE and MEMORY.",
        sqlstate="42601",
        text='unrecognized EXPLAIN option "{option}"',
        nodes=("ExplainStmt",),
        find=_option(_NEW_EXPLAIN_OPTIONS),
        refused="EXPLAIN (ANALYZE, SERIALIZE) SELECT 1",
        accepted="EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
        source=_NEWER,
    ),
    refusal(
        "copy-option",
        "COPY option of a later PostgreSQL",
        "Leave out ON_ERROR, REJECT_LIMIT and LOG_VERBOSITY, and send clean rows.",
        sqlstate="42601",
        text='option "{option}" not recognized',
        nodes=("CopyStmt",),
        find=_option(_NEW_COPY_OPTIONS),
        refused="COPY a FROM STDIN (ON_ERROR ignore)",
        accepted="COPY a FROM STDIN (HEADER true)",
        source=_NEWER,
    ),
    refusal(
        "grant-maintain",
        "Privilege MAINTAIN is not supported",
        "Leave it out.",
        sqlstate="42601",
        text='unrecognized privilege type "maintain"',
        nodes=("GrantStmt",),
        find=_maintain,
        refused="GRANT MAINTAIN ON a TO app",
        accepted="GRANT TRIGGER ON a TO app",
        source=_NEWER,
    ),
)
