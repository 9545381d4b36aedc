"""What a parse tree does: its kind, and the traits that a transaction must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsql_dialect import json_tree
from dsql_dialect.statement import Kind, Traits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsql_dialect.rule import Node

_KINDS = (
    {
        "SelectStmt": Kind.QUERY,
        "InsertStmt": Kind.DML,
        "UpdateStmt": Kind.DML,
        "DeleteStmt": Kind.DML,
        "MergeStmt": Kind.DML,
        "CopyStmt": Kind.DML,
        "TruncateStmt": Kind.DML,
        "ExplainStmt": Kind.QUERY,
        "TransactionStmt": Kind.TRANSACTION,
        "CallStmt": Kind.CALL,
    }
    | dict.fromkeys(
        (
            *("VariableSetStmt", "VariableShowStmt", "ConstraintsSetStmt", "DeallocateStmt", "DiscardStmt"),
            *("PrepareStmt", "ExecuteStmt", "DeclareCursorStmt", "FetchStmt", "ClosePortalStmt"),
            *("ListenStmt", "UnlistenStmt", "NotifyStmt", "LoadStmt", "LockStmt"),
        ),
        Kind.SESSION,
    )
    | dict.fromkeys(("VacuumStmt", "CheckPointStmt", "ClusterStmt", "ReindexStmt", "DoStmt"), Kind.UTILITY)
)
"""Every other statement changes the catalog."""

_CHANGES = {
    "InsertStmt": "inserts",
    "UpdateStmt": "updates",
    "DeleteStmt": "deletes",
    "TruncateStmt": "deletes",
}
_LOCKS = {"LCS_FORUPDATE": "for_update", "LCS_FORKEYSHARE": "for_key_share"}
_RETURNING_ROWS = frozenset(
    {"SelectStmt", "ExplainStmt", "VariableShowStmt", "CallStmt", "FetchStmt", "ExecuteStmt"}
)
_VERBS = {
    "START": "BEGIN",
    "ROLLBACK_TO": "ROLLBACK TO",
    "PREPARE": "PREPARE TRANSACTION",
    "COMMIT_PREPARED": "COMMIT PREPARED",
    "ROLLBACK_PREPARED": "ROLLBACK PREPARED",
}
WANTED = frozenset({*_CHANGES, "onConflictClause", "LockingClause"})
"""The nodes that tell what a statement does, wherever in the tree they are."""


def classify(name: str, root: Node, seen: Sequence[tuple[str, Node]]) -> tuple[Kind, Traits]:
    """Return a statement's kind and traits, from its top node and the `WANTED` nodes among all its nodes."""
    kind = _KINDS.get(name, Kind.DDL)
    if kind is Kind.TRANSACTION:
        return kind, Traits(transaction=verb(root))
    if kind not in (Kind.QUERY, Kind.DML):
        return kind, Traits(returns_rows=name in _RETURNING_ROWS or "async" in root)
    if name == "SelectStmt" and "intoClause" in root:
        return Kind.DDL, Traits()
    rows = name in _RETURNING_ROWS or bool(root.get("returningClause") or root.get("returningList"))
    if root.get("is_from"):  # COPY … FROM
        return Kind.DML, Traits(inserts=True, takes_rows=True)
    if name == "ExplainStmt" and not analyzes(root):
        return Kind.QUERY, Traits(returns_rows=True)
    traits = _traits({_flag(each) for each in seen}, merges=name == "MergeStmt", rows=rows)
    writes = traits.inserts or traits.updates or traits.deletes
    return (Kind.DML if writes else Kind.QUERY), traits


def traits_within(tree: Node) -> Traits:
    """Return what a tree does, whatever its top node: of a function its body in the standard's form."""
    return _traits({_flag(each) for each in json_tree.walk(tree, WANTED)}, merges=False, rows=False)


def _traits(flags: set[str | None], *, merges: bool, rows: bool) -> Traits:
    return Traits(
        inserts=merges or "inserts" in flags,
        updates=merges or "updates" in flags,
        deletes=merges or "deletes" in flags,
        for_update="for_update" in flags,
        for_key_share="for_key_share" in flags,
        returns_rows=rows,
    )


def _flag(seen: tuple[str, Node]) -> str | None:
    name, node = seen
    if name == "LockingClause":
        return _LOCKS.get(node.get("strength", ""))
    if name == "onConflictClause":
        return "updates" if node.get("action") == "ONCONFLICT_UPDATE" else None
    return _CHANGES.get(name)


def analyzes(explain: Node) -> bool:
    """Tell whether an EXPLAIN runs its statement; of an option given twice, the last counts."""
    elements = [each["DefElem"] for each in explain.get("options", ())]
    said = [_truth(each.get("arg")) for each in elements if each["defname"].lower() == "analyze"]
    return bool(said) and said[-1]


def _truth(argument: Node | None) -> bool:
    if argument is None:
        return True
    ((_, value),) = argument.items()
    said = str(value.get("sval", value.get("boolval", value.get("ival", 0)))).lower()
    return said not in ("false", "off", "0", "no")


def verb(transaction: Node) -> str:
    """Return what a transaction statement is: BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK TO, …."""
    word: str = transaction["kind"].removeprefix("TRANS_STMT_")
    return _VERBS.get(word, word)
