"""COPY FROM STDIN: all rows are taken from the client before PostgreSQL gets any.

A client may take its time between two rows, and nobody else may have to wait for it meanwhile. So PostgreSQL is asked
what it would say to the COPY, and runs it only when its data is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire import messages

if TYPE_CHECKING:
    from local_dsql.front.session import Session
    from local_dsql.front.units import Unit

_SAVE = messages.query("SAVEPOINT local_dsql_copy")
_UNDO = messages.query("ROLLBACK TO SAVEPOINT local_dsql_copy; RELEASE SAVEPOINT local_dsql_copy")
_REFUSE = messages.frame(b"f", messages.cstring("the rows come later"))


async def take_rows(session: Session, unit: Unit) -> bytes | None:
    """Return the client's CopyData and its CopyDone or CopyFail; None if PostgreSQL refuses the COPY."""
    backend = session.backend
    async with backend.turn:
        await backend.ask(_SAVE)
        answer = await backend.ask_until(unit.request(), b"G")
        accepted = not answer.status
        if accepted:
            await backend.ask(_REFUSE if unit.simple else _REFUSE + messages.SYNC)
        await backend.ask(_UNDO)
    if not accepted:
        session.client.send(b"".join(raw for _, raw in answer.frames))
        return None
    session.client.send(b"".join(raw for _, raw in answer.frames))
    session.client.flush(gather=True)
    return await _rows(session, simple=unit.simple)


async def _rows(session: Session, *, simple: bool) -> bytes:
    taken: list[bytes] = []
    while True:
        kind, raw = await session.next_copy_frame()
        if kind == b"d":
            taken.append(raw)
        elif kind in b"cf":
            taken.append(raw)
            break
        elif kind not in b"HS":
            taken.append(messages.frame(b"f", messages.cstring("unexpected message during COPY")))
            break
    if not simple:
        while (await session.next_copy_frame())[0] != b"S":
            pass
    return b"".join(taken)
