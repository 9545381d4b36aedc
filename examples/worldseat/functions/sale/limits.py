"""The rate limit of public writes: requests of a client, and of all clients, in a minute."""

from __future__ import annotations

import os
import time

from blocks_runtime import AtomicTable, Item, TableTransaction

from .seats import READ_DEADLINE

table = AtomicTable("limits", request_deadline=READ_DEADLINE)

WINDOW = 60
ALL_CLIENTS = 5
"""Factor: so many clients may use their whole limit at the same time."""

LIMITS = {"buy": "WORLDSEAT_BUYS", "break-it": "WORLDSEAT_BURSTS", "reset": "WORLDSEAT_BURSTS"}
"""Variables with the requests of a client in a minute, by endpoint."""


def seconds_to_wait(endpoint: str, client: str) -> int:
    """Count a request; return 0 if it is within the limits, else the seconds until it may be repeated.

    Raises:
        DatabaseError: the table does not answer; the request is refused then.
    """
    limit = int(os.environ[LIMITS[endpoint]])
    now = int(time.time())
    window = now // WINDOW
    keys = [(f"{endpoint}#{each}", str(window)) for each in (f"client#{client}", "all")]

    def count(tx: TableTransaction) -> bool:
        used = [0 if item is None else int(item.data) for item in tx.get_many(keys)]
        if used[0] >= limit or used[1] >= limit * ALL_CLIENTS:
            return False
        for key, number in zip(keys, used, strict=True):
            tx.set(Item(*key, number + 1, expires_at=(window + 2) * WINDOW))
        return True

    served = table.transaction(count, retry_on_conflict=True, max_retries=20, deadline=READ_DEADLINE)
    return 0 if served else (window + 1) * WINDOW - now
