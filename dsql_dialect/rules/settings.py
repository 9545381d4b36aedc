"""Rules on session parameters: a few of them can be set."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dsql_dialect.rule import Hit, Rewording
from dsql_dialect.rules.making import MINISTACK, MINISTACK_DAY, RECORDED, refusal
from dsql_dialect.rules.queries import function_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsql_dialect.rule import Node

_RESERVED_PREFIX = "dsql."
BOOLEAN = frozenset({f"{_RESERVED_PREFIX}enable_batched_nestloop"})
"""DSQL's own parameters whose value is checked, in lower case."""

SETTABLE = BOOLEAN | {
    *("application_name", "client_encoding", "datestyle", "extra_float_digits", "intervalstyle"),
    *("timezone", "search_path", "disable_sync_create_index"),
}
"""Parameters that a session can set, in lower case, beside the planner's `enable_…` (AWS user guide)."""

_NOT_RESET = frozenset(
    {
        *("role", "session_authorization"),
        *("transaction_isolation", "transaction_read_only", "transaction_deferrable"),
    }
)
"""Parameters of RESET whose acceptance nothing shows: other statements set them, and these are refused."""

_TO_DEFAULT = frozenset({"VAR_RESET", "VAR_SET_DEFAULT"})


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
    if _sets_isolation(node) or _resets(node) or _is_reserved(name):
        return  # another rule decides
    if node.get("kind") == "VAR_SET_MULTI" or "." in name or name.lower() in _known():
        yield Hit(_location(node), values={"name": name})


def _resets(node: Node) -> bool:
    """Return whether a statement sets a parameter of PostgreSQL to its default, by RESET or TO DEFAULT."""
    name = (node.get("name") or "").lower()
    return node.get("kind") in _TO_DEFAULT and name in _known() - _NOT_RESET


def _reset(node: Node) -> Iterator[Hit]:
    if _resets(node) and not is_settable(node["name"]):
        yield Hit(values={"name": node["name"]})


def _is_reserved(name: str) -> bool:
    """Return whether a name has DSQL's prefix, and is none of its parameters."""
    return name.lower().startswith(_RESERVED_PREFIX) and not is_settable(name)


def _reserved(node: Node) -> Iterator[Hit]:
    name = _set_name(node)
    if name is not None and _is_reserved(name):
        yield Hit(_location(node), values={"name": name})


def _not_boolean(node: Node) -> Iterator[Hit]:
    name = (_set_name(node) or "").lower()
    if name not in BOOLEAN:
        return
    values = node["args"][1:2] if "funcname" in node else node.get("args", ())
    if len(values) > 1:
        yield Hit(_location(node), values={"message": f"SET {name} takes only one argument"})
    elif values and not _may_be_boolean(values[0].get("A_Const", {})):
        yield Hit(_location(node), values={"message": f'parameter "{name}" requires a Boolean value'})


def _may_be_boolean(constant: Node) -> bool:
    """Return whether PostgreSQL reads a constant as a Boolean; true for what is known when it runs only."""
    if "fval" in constant or constant.get("ival", {}).get("ival", 0) not in (0, 1):
        return False
    word = constant.get("sval", {}).get("sval", "1").lower()
    prefix_of = [
        each for each in ("true", "false", "yes", "no", "on", "off") if word and each.startswith(word)
    ]
    return word in ("1", "0") or (bool(prefix_of) and word != "o")


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
        "reset-parameter",
        "RESET of a parameter that a session cannot set",
        "Delete the statement: the parameter has its default value.",
        text='setting configuration parameter "{name}" not supported',
        nodes=("VariableSetStmt",),
        find=_reset,
        refused="RESET work_mem",
        accepted="RESET search_path",
        source=f"text {RECORDED} of SET; that three parameters are accepted: {MINISTACK}",
        lifted=MINISTACK_DAY,
    ),
    refusal(
        "reserved-parameter",
        "Parameter with DSQL's prefix that DSQL does not have",
        "Correct the name, or delete the statement.",
        text='setting configuration parameter "{name}" not supported',
        nodes=("VariableSetStmt", "FuncCall"),
        find=_reserved,
        refused="SET dsql.enable_batched = on",
        accepted="SET dsql.enable_batched_nestloop = on",
        reworded=Rewording(
            since=MINISTACK_DAY,
            sqlstate="42602",
            text='invalid configuration parameter name "{name}"',
            detail='"dsql" is a reserved prefix.',
            source=MINISTACK,
        ),
    ),
    refusal(
        "boolean-parameter",
        "Value of a DSQL parameter that is not one Boolean",
        "Write on or off.",
        sqlstate="22023",
        text="{message}",
        nodes=("VariableSetStmt", "FuncCall"),
        find=_not_boolean,
        refused="SET dsql.enable_batched_nestloop = 'quick'",
        accepted="SET dsql.enable_batched_nestloop TO DEFAULT",
        source=f"{MINISTACK}; PostgreSQL's texts",
        since=MINISTACK_DAY,
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
