"""Codes of serialization failures, which DSQL puts in parentheses at the end of its message."""

from __future__ import annotations

from blocks_cli.explanations.explanation import Explanation, Kind
from local_dsql.engine.errors import CONFLICT, CONFLICT_CODES, SCHEMA_CHANGED

_AGAIN = (
    "Run the whole transaction again, from its first statement: `db.transaction(function, retry_on_conflict=True)` "
    "does that."
)
_MEANINGS = {
    CONFLICT: (
        "Another transaction has committed a change of the same row first; nothing of this one is committed.",
        "DSQL takes no lock that another statement waits for. It compares the changed rows at COMMIT, and the first "
        "transaction to commit wins (AWS user guide, concurrency control).",
        f"{_AGAIN} If many transactions change one row, spread the work over more rows.",
    ),
    SCHEMA_CHANGED: (
        "The catalog was changed since this session has read it; nothing of the transaction is committed.",
        "A DDL statement, GRANT, REVOKE, or the end of an index build was committed somewhere in the cluster, on any "
        "table. A transaction that only reads can fail too, at any statement or at COMMIT.",
        f"{_AGAIN} Expect it during a deploy that migrates.",
    ),
}


def conflicts() -> list[Explanation]:
    """Return the explanations of all codes."""
    return [
        Explanation(
            code=code,
            kind=Kind.CONFLICT,
            meaning=_MEANINGS[message][0],
            cause=_MEANINGS[message][1],
            remedy=_MEANINGS[message][2],
            facts=(
                ("message", f"{message.message} (SQLSTATE {message.sqlstate})"),
                ("runtime", "`SerializationFailure`"),
            ),
        )
        for message, code in CONFLICT_CODES.items()
    ]
