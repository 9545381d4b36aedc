"""After a deadlock: let the other statements end first, so that the stopped one does not cause the same deadlock again.

PostgreSQL ends a deadlock by stopping one of its statements (40P01). The engine undoes that statement and runs it
again. Transactions that hold a lock in common (FOR KEY SHARE) and each want a stronger one are in a deadlock. If the
stopped one took its locks again at once, the others would still be in a deadlock with it, and each would be stopped in
turn, without end. So it holds no lock and waits until the statements of the others have ended.

No two wait for each other here: the others run at that moment, and one that waits here is in no deadlock.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from local_dsql.engine.errors import DEADLOCK_DETECTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_dsql.engine.session import HeldSession

_PROCESS = re.compile("process ([0-9]+)", re.IGNORECASE)
_PATIENCE = 0.1
"""Seconds to wait for the others; one that runs longer is cancelled by `unblock` once this statement waits for it."""
_PAUSE = 0.001


async def let_others_first(held: HeldSession, fields: Mapping[str, str]) -> None:
    """Wait until the other statements of a deadlock have ended; do nothing if an error of PostgreSQL reports none.

    The error names the processes in the deadlock. The session must hold no lock that the others want.
    """
    if fields["C"] != DEADLOCK_DETECTED:
        return
    sessions = held.services.sessions
    pids = {int(pid) for pid in _PROCESS.findall(fields.get("D", ""))} - {held.backend.pid}
    locks = [sessions[pid].backend.lock for pid in pids if pid in sessions]
    running = [(lock, lock.releases) for lock in locks if lock.locked]
    until = time.monotonic() + _PATIENCE
    while any(lock.releases == releases for lock, releases in running) and time.monotonic() < until:
        await asyncio.sleep(_PAUSE)
