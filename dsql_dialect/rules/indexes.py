"""Rules on CREATE INDEX: ASYNC, its keys and its clauses."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dsql_dialect.limits import KEY_COLUMNS
from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import AGENT_PLUGINS, BEFORE, GUIDE, LINTED, MINISTACK, refusal, where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dsql_dialect.rule import Detector, Node


def _key(condition: Callable[[Node], object], word: Callable[[Node], str] | None = None) -> Detector:
    """Return a detector that hits an index once for each key that fulfils the condition."""

    def find(node: Node) -> Iterator[Hit]:
        for each in node.get("indexParams", ()):
            key = each["IndexElem"]
            if condition(key):
                yield Hit(words=(word(key),) if word else ())

    return find


def _expression(node: Node) -> Iterator[Hit]:
    for each in node.get("indexParams", ()):
        if "expr" in each["IndexElem"]:
            ((_, content),) = each["IndexElem"]["expr"].items()
            yield Hit(content.get("location"))


_CONCURRENTLY, _USING, _KEYS = -3, -2, -1
"""The refusals of CREATE INDEX that DSQL answers with before all others, in this order.

Source: `making.MINISTACK`.
"""


def _has_too_many_keys(node: Node) -> bool:
    keys: list[Node] = node.get("indexParams") or node.get("keys") or []
    return len(keys) > KEY_COLUMNS


def _ordering(key: Node) -> str:
    return str(key["ordering"]).removeprefix("SORTBY_")


RULES = (
    refusal(
        "create-index-sync",
        "CREATE INDEX without ASYNC",
        "Write CREATE INDEX ASYNC; CALL sys.wait_for_job(…) waits for the build.",
        remedy_in_migration="Write CREATE INDEX ASYNC; the migrator waits for the build.",
        text="unsupported mode. please use CREATE INDEX ASYNC.",
        nodes=("IndexStmt",),
        find=where(lambda node: not node.get("async") and not node.get("concurrent"), "INDEX"),
        refused="CREATE INDEX i ON a (v)",
        accepted="CREATE INDEX ASYNC i ON a (v)",
    ),
    refusal(
        "create-index-concurrently",
        "CREATE INDEX CONCURRENTLY is not supported",
        "Write CREATE INDEX ASYNC, which does not block either.",
        text="CONCURRENTLY not supported for CREATE INDEX",
        nodes=("IndexStmt",),
        find=where(lambda node: node.get("concurrent"), "CONCURRENTLY"),
        refused="CREATE INDEX CONCURRENTLY i ON a (v)",
        accepted="CREATE INDEX ASYNC concurrently_built ON a (v)",
        source=AGENT_PLUGINS,
        precedence=_CONCURRENTLY,
    ),
    refusal(
        "index-using",
        "CREATE INDEX with USING",
        "Leave out USING; for text search or containment, keep the searched values in columns of their own.",
        text="USING not supported for CREATE INDEX",
        nodes=("IndexStmt",),
        find=where(lambda node: node.get("using") or node.get("accessMethod", "btree") != "btree", "USING"),
        refused="CREATE INDEX ASYNC i ON a USING btree (v)",
        accepted='CREATE INDEX ASYNC i ON a ("using")',
        source="measured 2026-08-19 to 28; before the lack of ASYNC: protocols of two clusters, July 2026",
        precedence=_USING,
    ),
    refusal(
        "index-keys",
        f"Key or index of more than {KEY_COLUMNS} columns",
        f"Name at most {KEY_COLUMNS} columns as keys; others can be in INCLUDE (…).",
        sqlstate="54011",
        text=f"more than {KEY_COLUMNS} column keys in an index are not supported",
        nodes=("IndexStmt", "CONSTR_PRIMARY", "CONSTR_UNIQUE"),
        find=where(_has_too_many_keys),
        refused="CREATE INDEX ASYNC i ON a (b, c, d, e, f, g, h, i, j)",
        accepted="CREATE INDEX ASYNC i ON a (b, c, d, e, f, g, h, i) INCLUDE (j)",
        source=f"{AGENT_PLUGINS}; before the lack of ASYNC: {MINISTACK}",
        precedence=_KEYS,
    ),
    refusal(
        "index-sort-order",
        "Index key with ASC or DESC",
        "Leave out ASC and DESC; ORDER BY … DESC reads the index backwards. NULLS FIRST and LAST are fine.",
        text="specifying sort order not supported for index keys",
        nodes=("IndexStmt",),
        find=_key(lambda key: key.get("ordering", "SORTBY_DEFAULT") != "SORTBY_DEFAULT", _ordering),
        refused="CREATE INDEX ASYNC i ON a (v DESC)",
        accepted="CREATE INDEX ASYNC i ON a (v NULLS FIRST)",
    ),
    refusal(
        "index-opclass",
        "Index key with an operator class",
        "Leave it out: with the collation C an index serves LIKE 'prefix%' as it is.",
        text="opclass not supported for index keys",
        nodes=("IndexStmt",),
        find=_key(
            lambda key: "opclass" in key, lambda key: str(key["opclass"][-1]["String"]["sval"]).upper()
        ),
        refused="CREATE INDEX ASYNC i ON a (v text_pattern_ops)",
        accepted="CREATE INDEX ASYNC i ON a (v, text_pattern_ops)",
    ),
    refusal(
        "index-collation",
        "Index key with COLLATE",
        "Leave out COLLATE.",
        text="COLLATE not supported for index keys",
        nodes=("IndexStmt",),
        find=_key(lambda key: "collation" in key, lambda _: "COLLATE"),
        refused='CREATE INDEX ASYNC i ON a (v COLLATE "C")',
        accepted='CREATE INDEX ASYNC i ON a ("collate")',
        source=LINTED,
    ),
    refusal(
        "index-parameters",
        "Storage parameters of an index are not supported",
        "Leave out WITH (…).",
        text="WITH not supported for CREATE INDEX",
        nodes=("IndexStmt",),
        find=where(lambda node: "options" in node, "WITH"),
        refused="CREATE INDEX ASYNC i ON a (v) WITH (fillfactor = 70)",
        accepted="CREATE INDEX ASYNC i ON a (v) INCLUDE (w)",
        source=GUIDE,
    ),
    refusal(
        "index-tablespace",
        "Tablespaces are not supported",
        "Leave out TABLESPACE.",
        text="TABLESPACE not supported for CREATE INDEX",
        nodes=("IndexStmt",),
        find=where(lambda node: "tableSpace" in node, "TABLESPACE"),
        refused="CREATE INDEX ASYNC i ON a (v) TABLESPACE fast",
        accepted="CREATE INDEX ASYNC tablespace_of ON a (v)",
        source=GUIDE,
    ),
    refusal(
        "expression-index",
        "Index key that is an expression",
        "Add a column for the expression, fill it when the row is written, and index that.",
        text="expressions not supported for index keys",
        nodes=("IndexStmt",),
        find=_expression,
        refused="CREATE INDEX ASYNC i ON a (lower(v))",
        accepted="CREATE INDEX ASYNC i ON a (lower)",
        source=BEFORE,
        lifted=date(2026, 8, 13),
    ),
    refusal(
        "partial-index",
        "Partial indexes are not supported",
        "Leave out WHERE, and let the index lead with the column that the condition is on.",
        text="WHERE not supported for CREATE INDEX",
        nodes=("IndexStmt",),
        find=where(lambda node: "whereClause" in node, "WHERE"),
        refused="CREATE INDEX ASYNC i ON a (v) WHERE active",
        accepted="CREATE UNIQUE INDEX ASYNC i ON a (v) NULLS NOT DISTINCT",
        source=BEFORE,
        lifted=date(2026, 9, 15),
    ),
)
