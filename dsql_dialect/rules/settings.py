"""Rules on session parameters: a few of them can be set."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dsql_dialect.rule import Hit
from dsql_dialect.rules.making import RECORDED, refusal
from dsql_dialect.rules.queries import function_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

SETTABLE = frozenset(
    {
        *("application_name", "client_encoding", "datestyle", "extra_float_digits", "intervalstyle"),
        *("timezone", "search_path", "dsql.enable_batched_nestloop", "disable_sync_create_index"),
    }
)


"""Parameters that a session can set, in lower case, beside the planner's `enable_…` (AWS user guide)."""


@cache
def _known() -> frozenset[str]:
    """Return the names of PostgreSQL 16's parameters (`postgres --describe-config`, pg_settings)."""
    return frozenset((Path(__file__).parent / "postgresql16_parameters.txt").read_text("ascii").split())


def is_settable(name: str) -> bool:
    """Return whether a session can set a parameter."""
    lowered = name.lower()
    return lowered in SETTABLE or (lowered.startswith("enable_") and lowered in _known())


def _set_name(node: Node) -> str | None:
    """Return the parameter that SET, RESET or set_config() sets, or None where none is named."""
    if "funcname" not in node:
        name: str | None = node.get("name")
        return name
    if function_name(node) != "set_config" or not node.get("args"):
        return None
    constant = node["args"][0].get("A_Const", {}).get("sval")
    return None if constant is None else str(constant.get("sval", ""))


def _unsupported(node: Node) -> Iterator[Hit]:
    name = _set_name(node)
    if name is None or is_settable(name):
        return
    if _sets_isolation(node):
        return  # the rule on isolation levels decides
    if node.get("kind") == "VAR_SET_MULTI" or "." in name or name.lower() in _known():
        yield Hit(_location(node), values={"name": name})


def _sets_isolation(node: Node) -> bool:
    levels = [
        each["DefElem"]["arg"]["A_Const"]["sval"]["sval"]
        for each in node.get("args", ())
        if each.get("DefElem", {}).get("defname") == "transaction_isolation"
    ]
    session = node.get("name") == "SESSION CHARACTERISTICS" and len(node["args"]) == 1
    return bool(levels) and (levels != ["repeatable read"] or session)


def _unknown(node: Node) -> Iterator[Hit]:
    name = _set_name(node)
    if name is None or is_settable(name) or node.get("kind") == "VAR_SET_MULTI":
        return
    if "." not in name and name.lower() not in _known():
        yield Hit(_location(node), values={"name": name})


def _location(node: Node) -> int | None:
    return node.get("location") if "funcname" in node else None


RULES = (
    refusal(
        "set-parameter",
        "Parameter that a session cannot set",
        "Delete the statement. For a time limit, set one in the client; for read-only work, BEGIN READ "
        "ONLY; for another role, connect as it.",
        text='setting configuration parameter "{name}" not supported',
        nodes=("VariableSetStmt", "FuncCall"),
        find=_unsupported,
        refused="SET statement_timeout = '5s'",
        accepted="SET TIME ZONE 'UTC'",
    ),
    refusal(
        "unknown-parameter",
        "Parameter that does not exist",
        "Correct the name.",
        sqlstate="42704",
        text='unrecognized configuration parameter "{name}"',
        nodes=("VariableSetStmt", "FuncCall"),
        find=_unknown,
        refused="SET serch_path = app",
        accepted="SELECT set_config('search_path', 'app', false)",
        source=f"{RECORDED} of SHOW",
    ),
)
