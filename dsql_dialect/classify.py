"""Kind and traits of a statement, read from its parse tree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dsql_dialect.json_tree import words
from dsql_dialect.statement import UNKNOWN_WRITES, Kind, Traits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
    | dict.fromkeys(("VacuumStmt", "CheckPointStmt", "ClusterStmt", "ReindexStmt"), Kind.UTILITY)
)
"""Every other statement changes the catalog."""

_WRITES = {
    "InsertStmt": {"inserts"},
    "UpdateStmt": {"updates"},
    "DeleteStmt": {"deletes"},
    "TruncateStmt": {"deletes"},
    "MergeStmt": {"inserts", "updates", "deletes"},
}
"""The nodes that change rows, wherever in the tree they are, and how. COPY … FROM is a statement by itself."""

_LOCKS = {"LCS_FORUPDATE": "for_update", "LCS_FORKEYSHARE": "for_key_share"}
_LOCK_WAITS = {"LockWaitSkip": "skip_locked", "LockWaitError": "nowait"}
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
WANTED = frozenset({*_WRITES, "onConflictClause", "LockingClause", "FuncCall"})
"""The nodes that decide the traits of a statement, wherever in the tree they are."""


def classify(name: str, root: Node, seen: Sequence[tuple[str, Node]]) -> tuple[Kind, Traits]:
    """Return a statement's kind and traits, from its top node and the `WANTED` nodes among all its nodes."""
    kind = _KINDS.get(name, Kind.DDL)
    if name == "DoStmt" or (name == "CallStmt" and not calls_known_procedure(root)):
        return Kind.DML, replace(UNKNOWN_WRITES, returns_rows=name == "CallStmt")
    if kind is Kind.TRANSACTION:
        return kind, Traits(transaction=verb(root))
    if kind not in (Kind.QUERY, Kind.DML):
        return kind, Traits(returns_rows=name in _RETURNING_ROWS or "async" in root)
    if name == "SelectStmt" and "intoClause" in root:
        return Kind.DDL, Traits()
    rows = name in _RETURNING_ROWS or bool(root.get("returningClause") or root.get("returningList"))
    if root.get("is_from"):  # COPY … FROM
        return Kind.DML, Traits(inserts=True, takes_rows=True, tables_written=frozenset(_targets(root)))
    if name == "ExplainStmt" and not analyzes(root):
        return Kind.QUERY, Traits(returns_rows=True)
    traits = traits_of(seen, returns_rows=rows)
    return (Kind.DML if traits.writes else Kind.QUERY), traits


def calls_known_procedure(call: Node) -> bool:
    """Return whether a CALL is one of DSQL's own procedure, sys.wait_for_job."""
    return words(call["funccall"]["funcname"]) == ["sys", "wait_for_job"]


def traits_of(seen: Iterable[tuple[str, Node]], *, returns_rows: bool = False) -> Traits:
    """Return what nodes do together; those that are not `WANTED` count for nothing."""
    flags: set[str] = set()
    tables: set[str] = set()
    columns: set[str] = set()
    write_nodes = 0
    for name, node in seen:
        flags.update(_flags(name, node))
        if name in _WRITES:
            write_nodes += 1
            tables.update(_targets(node))
        if name in ("UpdateStmt", "onConflictClause"):
            columns.update(each["ResTarget"].get("name", "") for each in node.get("targetList", ()))
    return Traits(
        inserts="inserts" in flags,
        updates="updates" in flags,
        deletes="deletes" in flags,
        for_update="for_update" in flags,
        for_key_share="for_key_share" in flags,
        skip_locked="skip_locked" in flags,
        nowait="nowait" in flags,
        calls_set_config="calls_set_config" in flags,
        returns_rows=returns_rows,
        tables_written=frozenset(tables),
        columns_assigned=frozenset(columns),
        write_nodes=write_nodes,
    )


def waits_for_locks_otherwise(seen: Iterable[tuple[str, Node]]) -> bool:
    """Return whether any locking clause among the nodes says NOWAIT or SKIP LOCKED."""
    return any(name == "LockingClause" and node.get("waitPolicy", "") in _LOCK_WAITS for name, node in seen)


def _flags(name: str, node: Node) -> Iterator[str]:
    """Yield the names of the traits that a node alone makes true."""
    if name in _WRITES:
        yield from _WRITES[name]
    elif name == "LockingClause":
        strength = _LOCKS.get(node.get("strength", ""))
        wait = _LOCK_WAITS.get(node.get("waitPolicy", ""))
        yield from (each for each in (strength, wait) if each is not None)
    elif name == "onConflictClause" and node.get("action") == "ONCONFLICT_UPDATE":
        yield "updates"
    elif name == "FuncCall" and words(node["funcname"])[-1] == "set_config":
        yield "calls_set_config"


def _targets(write: Node) -> Iterator[str]:
    """Yield the names of the tables that a node writes to, in lower case and without schema."""
    named = [each["RangeVar"] for each in write.get("relations", ())]  # TRUNCATE
    for relation in [*named, *([write["relation"]] if "relation" in write else [])]:
        yield relation["relname"].lower()


def analyzes(explain: Node) -> bool:
    """Return whether an EXPLAIN runs its statement; of an option given twice, the last counts."""
    elements = [each["DefElem"] for each in explain.get("options", ())]
    said = [truth(each.get("arg")) for each in elements if each["defname"].lower() == "analyze"]
    return bool(said) and said[-1]


def truth(argument: Node | None) -> bool:
    """Return the value of a boolean option: true without an argument, and for all but false, off, 0 and no."""
    if argument is None:
        return True
    constant = argument.get("A_Const", argument)
    value = next((each for each in constant.values() if isinstance(each, dict)), {})
    said = str(value.get("sval", value.get("boolval", value.get("ival", 0)))).lower()
    return said not in ("false", "off", "0", "no")


def verb(transaction: Node) -> str:
    """Return the verb of a transaction statement: BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK TO, …."""
    word: str = transaction["kind"].removeprefix("TRANS_STMT_")
    return _VERBS.get(word, word)
