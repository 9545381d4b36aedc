"""The engine's prepared statements in the sessions of clients: PostgreSQL parses them only once.

A client that drops all its prepared statements drops these, too (`forgets`). It does not see them:
`pg_prepared_statements` leaves them out (`catalog/45_views.sql`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import log_distance
from local_dsql.engine.savepoints import OPENED
from local_dsql.engine.transaction import BASE, GUARD
from local_dsql.wire import messages
from local_dsql.wire.message_types import ObjectKind

if TYPE_CHECKING:
    from dsql_dialect import Statement

_BEGIN, _BASE, _OPENED, _GUARD = (
    b"local_dsql_begin",
    b"local_dsql_base",
    b"local_dsql_opened",
    b"local_dsql_guard",
)
_TEXTS = {
    _BEGIN: "BEGIN",
    _BASE: f"SAVEPOINT {BASE}",
    _OPENED: OPENED,
    _GUARD: f"SAVEPOINT {GUARD}",
}
PREPARE = (
    b"".join(
        messages.close(ObjectKind.STATEMENT, name) + messages.parse(text.encode(), name)
        for name, text in _TEXTS.items()
    )
    + log_distance.PREPARE
)
"""Prepares all of them; its answer has `PREPARED` frames."""
PREPARED = 2 * len(_TEXTS) + log_distance.PREPARED

OPEN = (
    messages.bind(b"", _BASE)
    + messages.execute()
    + messages.bind(b"", _OPENED)
    + messages.execute()
    + messages.SYNC
)
"""The same as `savepoints.OPEN`. No portal of the client can be open after a BEGIN, so the unnamed one is free."""
BEGIN = messages.bind(b"", _BEGIN) + messages.execute() + OPEN
"""A BEGIN, and `OPEN`, with one ReadyForQuery."""
SET_GUARD = (
    messages.bind(_GUARD, _GUARD) + messages.execute(_GUARD) + messages.close(ObjectKind.PORTAL, _GUARD)
)
"""The same as `savepoints.SET_GUARD` without Sync; it adds `GUARDED` frames to the answer of the next messages."""
GUARDED = 3

_FORGETTING = "Deallocate"


def forgets(statement: Statement | None) -> bool:
    """Return whether a statement drops prepared statements."""
    return statement is not None and statement.node == _FORGETTING
