"""Build the request of a statement in two forms: for the first run, and for a run after it was undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.requests import Request
from local_dsql.wire import messages
from local_dsql.wire.message_types import BackendMessage, FrontendMessage, ObjectKind

if TYPE_CHECKING:
    from dsql_dialect import Statement
    from local_dsql.proxy.prepared_statements import PreparedStatements
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.wire.frames import Frame


def build_request(
    execution: StatementExecution, statement: Statement, statements: PreparedStatements
) -> Request:
    """Return the request for a statement."""
    surplus: dict[bytes, int] = {}
    prefix = parse = b""
    if not execution.simple:
        prefix, surplus = _repetition(execution.frames, statements)
        parse = _parse_elsewhere(execution.frames, statements)
    body = execution.body
    return Request(
        body,
        again=prefix + body,
        surplus=surplus,
        simple=execution.simple,
        statement=statement,
        parse=parse,
        continues=_continues(execution, statements),
        sets_parameters=statement.is_set or statement.node == "ConstraintsSet",
    )


def _continues(execution: StatementExecution, statements: PreparedStatements) -> bool:
    """Return whether an execution reads more rows of a portal that has begun."""
    if not execution.continues_portal:
        return False
    portal, _ = messages.execute_parts(execution.frames[-1][1])
    return statements.portals.has_begun(portal)


def _parse_elsewhere(frames: tuple[Frame, ...], statements: PreparedStatements) -> bytes:
    """Return the Parse of the prepared statement that the Bind names, empty if it is among the frames."""
    parsed = {messages.parse_parts(raw)[0] for kind, raw in frames if kind == FrontendMessage.PARSE}
    for kind, raw in frames:
        if kind == FrontendMessage.BIND and (name := messages.bind_parts(raw)[1]) not in parsed:
            return statements.parse_of(name)
    return b""


def _repetition(frames: tuple[Frame, ...], statements: PreparedStatements) -> tuple[bytes, dict[bytes, int]]:
    """Return the messages to send before a repetition, and how many more messages of each type answer it."""
    closes, binds = [], []
    bound = {messages.bind_parts(raw)[0] for kind, raw in frames if kind == FrontendMessage.BIND}
    for kind, raw in frames:
        if kind == FrontendMessage.PARSE and (name := messages.parse_parts(raw)[0]):
            if (
                statements.accepted(name) is None
            ):  # one of an earlier batch stays: PostgreSQL refuses the name
                closes.append(messages.close(ObjectKind.STATEMENT, name))
        elif kind == FrontendMessage.EXECUTE:
            portal, _ = messages.execute_parts(raw)
            if portal not in bound and (bind := statements.portals.bind_of(portal)):
                closes.append(messages.close(ObjectKind.PORTAL, portal))
                binds.append(bind)
    parses = sum(raw.startswith(FrontendMessage.PARSE) for raw in binds)
    surplus = {
        BackendMessage.CLOSE_COMPLETE: len(closes),
        BackendMessage.BIND_COMPLETE: len(binds),
        BackendMessage.PARSE_COMPLETE: parses,
    }
    return b"".join([*closes, *binds]), surplus
