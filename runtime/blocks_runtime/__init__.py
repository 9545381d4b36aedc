"""What an app Lambda imports to talk to Aurora DSQL.

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")
rows = db.query(sql("SELECT * FROM accounts WHERE id = {id}", id=account_id))

`AsyncDistributedDatabase` is the same for asyncio.
"""

from .database.database import DistributedDatabase
from .database.fragments import Sql, sql
from .errors import DatabaseError, DistributedDatabaseErrors, is_blocks_error

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .database.aio.database import AsyncDistributedDatabase
    from .database.aio.transaction import AsyncTransaction
    from .database.health import Health
    from .database.info import TransactionInfo
    from .database.loading import Loaded
    from .database.plans import Plan, PlanNode
    from .database.rows import Row
    from .database.stats import Stats
    from .database.transaction import Transaction

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
    "AsyncDistributedDatabase": "database.aio.database",
    "AsyncTransaction": "database.aio.transaction",
    "Health": "database.health",
    "Loaded": "database.loading",
    "Plan": "database.plans",
    "PlanNode": "database.plans",
    "Row": "database.rows",
    "Stats": "database.stats",
    "Transaction": "database.transaction",
    "TransactionInfo": "database.info",
}
"""Where the names are that most handlers do without, or need in annotations only."""


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)
