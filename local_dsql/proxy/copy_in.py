"""COPY FROM STDIN: receive all rows from the client before PostgreSQL runs the COPY.

A slow client must not hold locks between two rows. So PostgreSQL first runs the COPY without rows, for its response,
and the proxy undoes it. After all rows have arrived, it runs with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.unblock import ask_unblocked_until
from local_dsql.proxy import errors
from local_dsql.wire import messages
from local_dsql.wire.message_types import FRONTEND_ROLES, BackendMessage, CopyRole, FrontendMessage

if TYPE_CHECKING:
    from local_dsql.engine.session import HeldSession
    from local_dsql.proxy.connection import ClientConnection
    from local_dsql.proxy.message_queue import MessageQueue
    from local_dsql.proxy.statement_execution import StatementExecution
    from local_dsql.wire.frames import Frame
    from local_dsql.wire.response import Response

_BEFORE_ROWS = (
    BackendMessage.PARSE_COMPLETE,
    BackendMessage.BIND_COMPLETE,
    BackendMessage.CLOSE_COMPLETE,
    BackendMessage.PARAMETER_DESCRIPTION,
    BackendMessage.ROW_DESCRIPTION,
    BackendMessage.NO_DATA,
    BackendMessage.COPY_IN_RESPONSE,
)
BYTES_PER_STORED_BYTE = 4
"""Most bytes of COPY data for one stored byte: `\\ooo` is one byte. Compression can store less.

More data is not kept, because a COPY could fill the memory (divergence `copy-runs-at-its-end`).
"""

_CANCEL = messages.copy_fail("the rows come later")


async def try_copy(held: HeldSession, execution: StatementExecution) -> Response:
    """Return PostgreSQL's response to a COPY before it receives rows; its status is empty if it accepts the COPY.

    Only the prepared statement of the COPY stays. Outside of a transaction its failure undoes it, inside of one a
    savepoint.
    """
    open_transaction = held.session.transaction is not None
    if open_transaction:
        await held.ask(savepoints.SET_GUARD)
    response = await ask_unblocked_until(held, execution.request(), BackendMessage.COPY_IN_RESPONSE)
    if not response.status:
        await held.ask(_CANCEL if execution.simple else _CANCEL + messages.SYNC)
    if open_transaction:
        await held.ask(savepoints.TO_GUARD)
    return response


def after_copy_in(frames: list[Frame]) -> list[Frame]:
    """Return PostgreSQL's frames after the rows; the client has received those before from `try_copy`."""
    at = next((number for number, (kind, _) in enumerate(frames) if kind not in _BEFORE_ROWS), len(frames))
    return frames[at:]


async def receive_rows(client: ClientConnection, queue: MessageQueue, limit: int) -> list[bytes] | None:
    """Return the client's CopyData messages and its CopyDone or CopyFail; None if they have more than `limit` bytes.

    Messages above the limit are received and dropped: the client may not read an error before it has sent all rows.

    Raises:
        ConnectionLost: the client has disconnected.
        CloseConnection: the client sent Terminate, or a message that is not allowed here.
    """
    rows: list[bytes] = []
    size = 0
    while True:
        kind, raw = await queue.next_frame()
        role = FRONTEND_ROLES[kind].during_copy if kind in FRONTEND_ROLES else CopyRole.ERROR
        if role in (CopyRole.ROWS, CopyRole.END):
            size += len(raw)
            if size > limit:
                rows.clear()
            else:
                rows.append(raw)
        if role is CopyRole.END:
            return rows if size <= limit else None
        if kind == FrontendMessage.TERMINATE:
            raise errors.CloseConnection
        if role is CopyRole.ERROR:
            client.send(errors.unexpected_during_copy(kind[0]).encode())
            raise errors.CloseConnection(errors.SYNCHRONIZATION_LOST)
