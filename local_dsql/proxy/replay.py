"""Build the request of a statement in two forms: for the first run, and for a run after it was undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.proxy.engine_session import Request
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsql_dialect import Statement
    from local_dsql.proxy.prepared_statements import PreparedStatements
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.wire.frames import Frame


def build_request(
    execution: StatementExecution,
    statement: Statement,
    statements: PreparedStatements,
    rows: Sequence[bytes] = (),
) -> Request:
    """Return the request for a statement; `rows` are the messages of a COPY with their CopyDone.

    PostgreSQL ignores Sync while it receives COPY data, so a COPY is followed by another Sync.
    """
    tail = [*rows, messages.SYNC] if rows and not execution.simple else rows
    surplus: dict[bytes, int] = {}
    prefix = b""
    if not execution.simple:
        prefix, surplus = _repetition(execution.frames, statements)
    if rows and execution.continues_portal:  # the portal was lost when the COPY was tried and undone
        portal, _ = messages.execute_parts(execution.frames[-1][1])
        bind = statements.portals.bind_of(portal)
        data = b"".join([messages.close(ObjectKind.PORTAL, portal), bind, execution.request(), *tail])
        return Request(statement, data, data, surplus)
    data = b"".join([execution.request(), *tail])
    again = prefix + data if prefix else data
    return Request(statement, data, again, surplus, execution.continues_portal)


def _repetition(frames: tuple[Frame, ...], statements: PreparedStatements) -> tuple[bytes, dict[bytes, int]]:
    """Return the messages to send before a repetition, and how many more messages of each type answer it."""
    closes, binds = [], []
    bound = {messages.bind_parts(raw)[0] for kind, raw in frames if kind == FrontendMessage.BIND}
    for kind, raw in frames:
        if kind == FrontendMessage.PARSE and (name := messages.parse_parts(raw)[0]):
            closes.append(messages.close(ObjectKind.STATEMENT, name))
        elif kind == FrontendMessage.EXECUTE:
            portal, _ = messages.execute_parts(raw)
            if portal not in bound and (bind := statements.portals.bind_of(portal)):
                binds.append(bind)
    parses = sum(raw.startswith(FrontendMessage.PARSE) for raw in binds)
    surplus = {
        BackendMessage.CLOSE_COMPLETE: len(closes),
        BackendMessage.BIND_COMPLETE: len(binds),
        BackendMessage.PARSE_COMPLETE: parses,
    }
    return b"".join([*closes, *binds]), surplus
