"""An API that serves each client five times a minute."""

import time
from typing import Any

from blocks_runtime import AtomicTable, Item, TableTransaction

table = AtomicTable("limits")
LIMIT = 5
WINDOW = 60


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the status of a request: 200, or 429 for one too many."""
    window = int(time.time()) // WINDOW
    key = (f"client#{event['client']}", str(window))

    def count(tx: TableTransaction) -> bool:
        item = tx.get(key)
        used = item.data if item else 0
        if used < LIMIT:
            tx.set(Item(*key, used + 1, expires_at=(window + 2) * WINDOW))
        return used < LIMIT

    served = table.transaction(count, retry_on_conflict=True, max_retries=20, deadline=context)
    return {"status": 200 if served else 429}
