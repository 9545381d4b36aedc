"""Let the other statements of a ring end first, so that the one that PostgreSQL has stopped does not close it again.

Transactions that hold a lock in common (FOR KEY SHARE) and each want a stronger one are in a ring. The one that is
stopped gives its locks back. If it took them again at once, the others would still be in a ring with it, and each would
be stopped in turn, without end. So it holds nothing and waits until the statements of the others have ended.

No two wait for each other here: the others run at that moment, and one that waits is in no ring.
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
    """Wait for the statements that an error of PostgreSQL names in a ring, if it is one of a ring.

    The session must hold no lock that the others want.
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
