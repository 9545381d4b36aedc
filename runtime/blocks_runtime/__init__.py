"""What an app Lambda imports to talk to Aurora DSQL.

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")
rows = db.query(sql("SELECT * FROM accounts WHERE id = {id}", id=account_id))

`AsyncDistributedDatabase` is the same for asyncio.
"""

from .database import DistributedDatabase
from .errors import DatabaseError, DistributedDatabaseErrors, is_blocks_error
from .fragments import Sql, sql

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .aio.database import AsyncDistributedDatabase
    from .aio.transaction import AsyncTransaction
    from .health import Health
    from .info import TransactionInfo
    from .loading import Loaded
    from .plans import Plan, PlanNode
    from .rows import Row
    from .stats import Stats
    from .transaction import Transaction

__all__ = [
    "AsyncDistributedDatabase",
    "AsyncTransaction",
    "DatabaseError",
    "DistributedDatabase",
    "DistributedDatabaseErrors",
    "Health",
    "Loaded",
    "Plan",
    "PlanNode",
    "Row",
    "Sql",
    "Stats",
    "Transaction",
    "TransactionInfo",
    "is_blocks_error",
    "sql",
]

_LATER = {
    "AsyncDistributedDatabase": "aio.database",
    "AsyncTransaction": "aio.transaction",
    "Health": "health",
    "Loaded": "loading",
    "Plan": "plans",
    "PlanNode": "plans",
    "Row": "rows",
    "Stats": "stats",
    "Transaction": "transaction",
    "TransactionInfo": "info",
}
"""Where the names are that most handlers do without, or need in annotations only."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)
