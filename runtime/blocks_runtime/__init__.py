"""Runtime of an application that uses Aurora DSQL, in a Lambda function or anywhere else.

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")
rows = db.query(sql("SELECT * FROM accounts WHERE id = {id}", id=account_id))

`AsyncDistributedDatabase` is the same for asyncio. Public modules: `errors`, `contract`, `signing`, `orm`, `aio.orm`.
"""

from .shared.lazy_exports import lazy_exports

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .database.aio.database import AsyncDistributedDatabase as AsyncDistributedDatabase
    from .database.aio.transaction import AsyncTransaction as AsyncTransaction
    from .database.database import DistributedDatabase as DistributedDatabase
    from .database.fragments import Sql as Sql
    from .database.fragments import sql as sql
    from .database.loading import Loaded as Loaded
    from .database.plans import Plan as Plan
    from .database.plans import PlanNode as PlanNode
    from .database.results import Health as Health
    from .database.results import Row as Row
    from .database.results import Stats as Stats
    from .database.results import TransactionInfo as TransactionInfo
    from .database.transaction import Transaction as Transaction
    from .errors import DatabaseError as DatabaseError
    from .errors import DistributedDatabaseErrors as DistributedDatabaseErrors
    from .errors import is_blocks_error as is_blocks_error
else:
    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "AsyncDistributedDatabase": "database.aio.database",
            "AsyncTransaction": "database.aio.transaction",
            "DatabaseError": "errors",
            "DistributedDatabase": "database.database",
            "DistributedDatabaseErrors": "errors",
            "Health": "database.results",
            "is_blocks_error": "errors",
            "Loaded": "database.loading",
            "Plan": "database.plans",
            "PlanNode": "database.plans",
            "Row": "database.results",
            "Sql": "database.fragments",
            "sql": "database.fragments",
            "Stats": "database.results",
            "Transaction": "database.transaction",
            "TransactionInfo": "database.results",
        },
    )
