"""Rules on clauses, types and functions in queries."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from dsql_dialect.json_tree import words
from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import BEFORE, RECORDED, refusal, where
from dsql_dialect.type_names import base_name, is_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_BUILT_IN_COLLATIONS = frozenset({"C", "POSIX", "default", "ucs_basic"})
_NOT_EVEN_IN_QUERIES = frozenset({"line", "circle"})
"""Types that the cluster does not have in queries either; it has the other types that columns cannot have."""


def function_name(call: Node) -> str:
    """Return the name of the function that a FuncCall calls: `sys.wait_for_job`, without pg_catalog."""
    return ".".join(words(call["funcname"])).removeprefix("pg_catalog.")


def _advisory_lock(node: Node) -> Iterator[Hit]:
    name = function_name(node)
    if name.startswith(("pg_advisory_", "pg_try_advisory_")):
        yield Hit(node.get("location"), values={"function": name})


def _missing_type(node: Node) -> Iterator[Hit]:
    if "funcname" in node:
        name: str | None = function_name(node)
    else:
        name = None if is_array(node["typeName"]) else base_name(node["typeName"])
    if name in _NOT_EVEN_IN_QUERIES:
        yield Hit(node.get("location"), values={"type": name})


def _unknown_collation(node: Node) -> Iterator[Hit]:
    name = words(node["collname"])[-1]
    if name not in _BUILT_IN_COLLATIONS:
        yield Hit(node.get("location"), values={"collation": name})


RULES = (
    refusal(
        "tablesample",
        "TABLESAMPLE is not supported",
        "Use WHERE random() < 0.01, or a range of keys.",
        text="TABLESAMPLE clause not supported",
        nodes=("RangeTableSample",),
        find=where(lambda _: True),
        refused="SELECT * FROM a TABLESAMPLE SYSTEM (1)",
        accepted="SELECT * FROM a AS samples WHERE random() < 0.01",
    ),
    refusal(
        "locking-clause",
        "Locking clause other than FOR UPDATE or FOR KEY SHARE",
        "Use FOR UPDATE. It never waits: COMMIT reports a conflict (40001).",
        text="locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported",
        nodes=("LockingClause",),
        find=where(lambda node: node["strength"] in ("LCS_FORSHARE", "LCS_FORNOKEYUPDATE"), "SHARE", "NO"),
        refused="SELECT * FROM a FOR SHARE",
        accepted="SELECT share FROM a FOR UPDATE",
    ),
    refusal(
        "for-key-share",
        "Locking clause other than FOR UPDATE",
        "Use FOR UPDATE.",
        text="locking clauses other than FOR UPDATE are not supported",
        nodes=("LockingClause",),
        find=where(lambda node: node["strength"] == "LCS_FORKEYSHARE", "KEY"),
        refused="SELECT * FROM a FOR KEY SHARE",
        accepted="SELECT * FROM a FOR UPDATE OF a",
        source=BEFORE,
        lifted=date(2026, 8, 25),
    ),
    refusal(
        "advisory-lock",
        "Advisory locks are not supported",
        "Keep a row for each lock, and take it with SELECT … FOR UPDATE: the second to commit gets 40001.",
        text="function {function} not supported",
        nodes=("FuncCall",),
        find=_advisory_lock,
        refused="SELECT pg_try_advisory_lock(1)",
        accepted="SELECT 'pg_advisory_lock'",
        source="reported of live clusters by golang-migrate, goose and atlas, 2025",
    ),
    refusal(
        "select-wait-for-job",
        "sys.wait_for_job called as a function",
        "Write CALL sys.wait_for_job('…').",
        sqlstate="42809",
        text="sys.wait_for_job(text) is a procedure",
        nodes=("FuncCall",),
        find=where(lambda node: function_name(node) == "sys.wait_for_job"),
        refused="SELECT sys.wait_for_job('abc')",
        accepted="SELECT job_id FROM sys.jobs",
    ),
    refusal(
        "missing-type",
        "Types line and circle are not supported, not even in a query",
        "Store the numbers that make up the shape in columns, and compute in the application.",
        text="datatype {type} not supported",
        nodes=("FuncCall", "TypeCast"),
        find=_missing_type,
        refused="SELECT line('{1,2,3}')",
        accepted="SELECT line FROM a AS circle",
    ),
    refusal(
        "collation",
        "Collation other than C",
        "Leave out COLLATE: text is compared byte by byte. Sort for people in the application.",
        sqlstate="42704",
        text='collation "{collation}" for encoding "UTF8" does not exist',
        nodes=("CollateClause",),
        find=_unknown_collation,
        refused='SELECT * FROM a ORDER BY name COLLATE "en_US"',
        accepted='SELECT * FROM a ORDER BY name COLLATE "C"',
        source=f"AWS user guide (collation C only); PostgreSQL's text; cluster defaults {RECORDED}",
    ),
)
