"""A function that may read the table, and not write it."""

from typing import Any

from blocks_runtime import AtomicTable, Item
from blocks_runtime.errors import AccessDenied

table = AtomicTable("limits")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return whether a report exists, and the error of an attempt to write."""
    try:
        table.set(Item("report", "latest", {}))
        refused = ""
    except AccessDenied as error:
        refused = str(error)
    return {"report": table.get(("report", "latest")) is not None, "refused": refused}
