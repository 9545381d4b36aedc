"""Running one statement that changes or locks rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.occ import rebase, verdicts
from local_dsql.occ.conflict import SUSPECTS, hidden_duplicate, is_invisible
from local_dsql.occ.effects import NOTHING, Effects, holdings
from local_dsql.occ.locks import Strength, note_locks
from local_dsql.occ.parking import ANEW, OPEN, capture, rebased, reopened
from local_dsql.occ.privilege import AS_SUPERUSER, as_client, as_writer_of
from local_dsql.occ.registry import Fact
from local_dsql.occ.waiting import ask
from local_dsql.wire import messages
from local_dsql.wire.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsql_dialect import Statement
    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.transaction import Transaction

_GUARD = messages.query("SAVEPOINT local_dsql_statement")
"""Savepoints nest and are never released: a released one hands its row locks to the transaction as a whole, and then
neither does ROLLBACK TO wake who waits for them, nor do pg_locks show the number that the rows carry."""
_QUIET_GUARD = messages.side_query("SAVEPOINT local_dsql_statement")
"""The same, and leaves the unnamed portal open."""

_UNDO = messages.query("ROLLBACK TO SAVEPOINT local_dsql_statement")

_BY_VALUES = ("21", "22", "23502", "23514")
"""Errors that depend on the values of rows: a subquery with too many, an overflow, NOT NULL, CHECK. Those of unique
and foreign keys are settled while the statement is run again."""


@dataclass(frozen=True, slots=True)
class Request:
    """A statement as bytes: to be run for the first time, and `again` after it has been undone.

    Prepared statements survive the undoing, so a repetition closes what it is going to prepare; `repeated` are the
    types of frames, and how many of each, that only the repetition is answered with.
    """

    statement: Statement
    data: bytes
    again: bytes
    surplus: Mapping[bytes, int]
    goes_on: bool = False
    """It reads on in the unnamed portal, which a Query would close."""


async def run(engine: Engine, participant: Participant, request: Request) -> Response:
    """Run the statement without waiting for anybody and return its answer.

    The mutex and the backend's turn must be held, and the transaction must be live. If somebody has committed over
    what the statement touches, the transaction is doomed and the statement runs again on newer rows.
    """
    transaction = participant.transaction
    assert transaction is not None
    statement = request.statement
    strength = _strength(statement)
    stale = transaction.sequence < engine.sequence
    before: frozenset[str] = frozenset()
    if strength is not None:
        (holding,) = await holdings(engine.control, f"ARRAY[{participant.backend.pid}]")
        before = frozenset(holding.numbers)
    alone = not any(other.holds for _, other in engine.others(participant))
    if statement.is_ddl or (alone and not stale and strength is None):
        (answer,) = await ask(engine, participant, request.data, exclusive=statement.is_ddl, bulk=True)
        return answer
    guard = _QUIET_GUARD if request.goes_on else _GUARD
    _, answer = await ask(engine, participant, guard + request.data, 2, bulk=True)
    fields = answer.error
    if fields is not None:
        return await _after_error(engine, participant, request, answer, fields)
    if strength is not None:
        await note_locks(engine, participant, before, strength)
    return await _checked(engine, participant, request, answer)


async def as_conflict(
    engine: Engine, participant: Participant, statement: Statement, answer: Response
) -> Response:
    """Return an error that newer rows may have caused as the conflict that it comes from, any other as it is.

    By its snapshot a doomed transaction may have had no such error, and COMMIT would have told it of the conflict.
    """
    transaction, fields = participant.transaction, answer.error
    assert transaction is not None
    if transaction.doomed is None or fields is None or not fields["C"].startswith(_BY_VALUES):
        return answer
    if not await _may_see_newer(engine, transaction, statement):
        return answer
    if code := verdicts.code(transaction.doomed):
        written = transaction.tables | statement.tables_written
        engine.journal.lost(
            code, participant.label, transaction.began_at, frozenset(written), (), injected=False
        )
    return Response([(b"E", transaction.doomed.encode())], messages.FAILED)


async def _may_see_newer(engine: Engine, transaction: Transaction, statement: Statement) -> bool:
    """Tell whether others may have changed a table since the transaction began that the statement has to do with."""
    changed = engine.journal.changed_since(transaction.began_at)
    mentioned = statement.relations
    if changed is None or not changed.isdisjoint(mentioned):
        return True
    if engine.hidden.concerns(statement):
        return True
    tables = await engine.tables.current(engine.catalog)
    found = await tables.named(mentioned, engine.catalog)
    if not mentioned <= {table.relation.lower() for table in found}:
        return True  # of a view nobody knows what it reads
    above = await tables.of(tables.above({table.oid for table in found}), engine.catalog)
    return tables.cascades and not changed.isdisjoint(table.relation.lower() for table in above)


def _strength(statement: Statement) -> Strength | None:
    if statement.for_update:
        return Strength.UPDATE
    return Strength.KEY_SHARE if statement.for_key_share else None


async def _after_error(
    engine: Engine, participant: Participant, request: Request, answer: Response, fields: Mapping[str, str]
) -> Response:
    transaction = participant.transaction
    assert transaction is not None
    if fields["C"] not in SUSPECTS:
        return answer
    if fields["C"] == "40001" and not transaction.wrote and not transaction.settings:
        transaction.doomed = transaction.doomed or verdicts.CONFLICT
        answer = await _run_anew(engine, participant, request)
        return without(answer, request.surplus)
    await participant.backend.request(_UNDO)
    if not await is_invisible(engine, participant, fields):
        return answer
    effects = await capture(engine, participant) if transaction.wrote else NOTHING
    transaction.doomed = transaction.doomed or verdicts.CONFLICT
    await rebased(engine, participant, effects)
    answer = await _run_again(engine, participant, request, effects, fields)
    return without(answer, request.surplus)


async def _run_anew(engine: Engine, participant: Participant, request: Request) -> Response:
    """Run the first statement of a transaction on a fresh snapshot: rollback, begin and statement at one go."""
    transaction = participant.transaction
    assert transaction is not None
    _, opened, _, answer = await ask(engine, participant, ANEW + OPEN + _GUARD + request.again, 4, bulk=True)
    reopened(engine, transaction, opened)
    fields = answer.error
    if fields is None or fields["C"] not in ("23505", "40001", "23503"):
        return answer
    await participant.backend.request(_UNDO)
    if fields["C"] == "40001":
        await rebased(engine, participant, NOTHING)
    return await _run_again(engine, participant, request, NOTHING, fields)


async def _run_again(
    engine: Engine,
    participant: Participant,
    request: Request,
    effects: Effects,
    fields: Mapping[str, str] | None,
) -> Response:
    """Run the statement on the fresh snapshot, without what is in its way; `fields` is why it failed before."""
    backend = participant.backend
    evictions: list[str] = []
    unchecked = False
    for _ in range(rebase.MOST_EVICTIONS):
        if fields is not None and fields["C"] == "23505" and "D" in fields:
            eviction = await as_writer_of(engine, fields) + rebase.evict(fields)
            if eviction in evictions:
                break  # it is the transaction's own duplicate
            evictions.append(eviction)
            await ask(engine, participant, _eviction(evictions[-1:], participant.role))
        unchecked = unchecked or (fields is not None and fields["C"] == "23503")
        if unchecked:
            await backend.request(_foreign_keys("replica", participant.role))
        _, answer = await ask(engine, participant, _GUARD + request.again, 2, bulk=True)
        fields = answer.error
        if fields is None or fields["C"] not in ("23505", "40001", "23503"):
            break
        await backend.request(_UNDO)
        if fields["C"] == "40001":
            await rebased(engine, participant, effects)
            if evictions:
                await ask(engine, participant, _eviction(evictions, participant.role))
    if unchecked and fields is None:
        await backend.request(_foreign_keys("origin", participant.role))
    return answer


def _eviction(evictions: list[str], role: str) -> bytes:
    return messages.query(
        f"{AS_SUPERUSER}SET LOCAL session_replication_role = replica; {'; '.join(evictions)};"
        f" {AS_SUPERUSER}SET LOCAL session_replication_role = origin; {as_client(role)}"
    )


def _foreign_keys(replication_role: str, role: str) -> bytes:
    """Switch foreign keys off (`replica`): by newer rows the statement violates one that by its snapshot it did not."""
    return messages.query(
        f"{AS_SUPERUSER}SET LOCAL session_replication_role = {replication_role}; {as_client(role)}"
    )


def without(answer: Response, surplus: Mapping[bytes, int]) -> Response:
    """Return an answer without the first so many frames of some types."""
    left = dict(surplus)
    frames = []
    for kind, raw in answer.frames:
        if left.get(kind, 0) > 0:
            left[kind] -= 1
        else:
            frames.append((kind, raw))
    return Response(frames, answer.status)


async def _checked(engine: Engine, participant: Participant, request: Request, answer: Response) -> Response:
    """Return the answer, unless the statement made a duplicate that PostgreSQL did not see."""
    transaction = participant.transaction
    assert transaction is not None
    statement = request.statement
    if transaction.doomed is not None or not (statement.inserts or statement.updates):
        return answer
    newer = engine.registry.newer(transaction.sequence)
    oids = {entry.oid for entry in newer if entry.fact is Fact.REMOVED}
    tables = await engine.tables.of(oids, engine.catalog)
    fields = await hidden_duplicate(participant, tables)
    if fields is None:
        return answer
    return Response([(b"E", messages.error(fields))], messages.FAILED)
