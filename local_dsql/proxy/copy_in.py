"""COPY FROM STDIN: all rows are taken from the client before PostgreSQL gets any.

A client may take its time between two rows, and nobody else may have to wait for it meanwhile. So PostgreSQL is asked
what it would say to the COPY, and runs it only when its data is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.backend import ConnectionLost

if TYPE_CHECKING:
    from local_dsql.proxy.session import Session
    from local_dsql.proxy.units import Unit
    from local_dsql.wire.frames import Frame

_SAVE = messages.side_query("SAVEPOINT local_dsql_copy")
_UNDO = messages.query("ROLLBACK TO SAVEPOINT local_dsql_copy; RELEASE SAVEPOINT local_dsql_copy")
_BEFORE = b"123tTnG"
_REFUSE = messages.frame(b"f", messages.cstring("the rows come later"))


def after_copy_in(frames: list[Frame]) -> list[Frame]:
    """Return what PostgreSQL says once it has the rows; what it said before is known to the client."""
    at = next((number for number, (kind, _) in enumerate(frames) if kind not in _BEFORE), len(frames))
    return frames[at:]


async def take_rows(session: Session, unit: Unit) -> bytes | None:
    """Return the client's CopyData and its CopyDone or CopyFail; None if PostgreSQL refuses the COPY.

    Raises:
        ConnectionLost: the client has left, or has lost its way.
    """
    backend = session.backend
    async with backend.lock:
        await backend.request(_SAVE)
        answer = unit.own(await backend.request_until(unit.request(), b"G"))
        accepted = not answer.status
        if accepted:
            await backend.request(_REFUSE if unit.simple else _REFUSE + messages.SYNC)
        await backend.request(_UNDO)
    session.work.answered(answer)
    if not accepted:
        return None
    session.client.flush(gather=True)
    return await _rows(session)


async def _rows(session: Session) -> bytes:
    taken: list[bytes] = []
    while True:
        kind, raw = await session.next_copy_frame()
        if kind == b"d":
            taken.append(raw)
        elif kind in b"cf":
            taken.append(raw)
            break
        elif kind not in b"HS":
            if kind != b"X":
                session.client.send(errors.amid_copy(kind[0]).encode())
            session.hang_up(None if kind == b"X" else errors.LOST_TRACK)
            raise ConnectionLost
    return b"".join(taken)
