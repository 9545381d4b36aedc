"""Runtime of an application that uses Aurora DSQL or DynamoDB, in a Lambda function or anywhere else.

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")
rows = db.query(sql("SELECT * FROM accounts WHERE id = {id}", id=account_id))

table = AtomicTable("locks")
table.set_atomic(item, table.get_lock(item))

`AsyncDistributedDatabase` and `AsyncAtomicTable` are the same for asyncio. Public modules: `errors`, `warnings`,
`contract`, `signing`, `orm`, `aio.orm`.
"""

from .shared.lazy_exports import lazy_exports

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from .atomic_table.aio.table import AsyncAtomicTable as AsyncAtomicTable
    from .atomic_table.aio.transaction import AsyncTableTransaction as AsyncTableTransaction
    from .atomic_table.items import Item as Item
    from .atomic_table.items import Lock as Lock
    from .atomic_table.keys import Key as Key
    from .atomic_table.messages import Message as Message
    from .atomic_table.once import Once as Once
    from .atomic_table.table import AtomicTable as AtomicTable
    from .atomic_table.transaction import TableTransaction as TableTransaction
    from .database.aio.database import AsyncDistributedDatabase as AsyncDistributedDatabase
    from .database.aio.transaction import AsyncTransaction as AsyncTransaction
    from .database.course import TransactionInfo as TransactionInfo
    from .database.database import DistributedDatabase as DistributedDatabase
    from .database.fragments import Sql as Sql
    from .database.fragments import sql as sql
    from .database.loading import Loaded as Loaded
    from .database.plans import Plan as Plan
    from .database.plans import PlanNode as PlanNode
    from .database.plans import PlanWarning as PlanWarning
    from .database.plans import StatementDpu as StatementDpu
    from .database.results import Health as Health
    from .database.results import Row as Row
    from .database.results import Stats as Stats
    from .database.transaction import Transaction as Transaction
    from .errors import DatabaseError as DatabaseError
    from .errors import DistributedDatabaseErrors as DistributedDatabaseErrors
    from .errors import RaceCondition as RaceCondition
    from .errors import is_blocks_error as is_blocks_error
    from .shared.json_values import json_default as json_default
    from .shared.json_values import jsonable as jsonable
    from .shared.json_values import to_json as to_json
else:
    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "AsyncAtomicTable": "atomic_table.aio.table",
            "AsyncDistributedDatabase": "database.aio.database",
            "AsyncTableTransaction": "atomic_table.aio.transaction",
            "AsyncTransaction": "database.aio.transaction",
            "AtomicTable": "atomic_table.table",
            "DatabaseError": "errors",
            "DistributedDatabase": "database.database",
            "DistributedDatabaseErrors": "errors",
            "Health": "database.results",
            "is_blocks_error": "errors",
            "Item": "atomic_table.items",
            "json_default": "shared.json_values",
            "jsonable": "shared.json_values",
            "Key": "atomic_table.keys",
            "Loaded": "database.loading",
            "Lock": "atomic_table.items",
            "Message": "atomic_table.messages",
            "Once": "atomic_table.once",
            "Plan": "database.plans",
            "PlanNode": "database.plans",
            "PlanWarning": "database.plans",
            "StatementDpu": "database.plans",
            "RaceCondition": "errors",
            "Row": "database.results",
            "Sql": "database.fragments",
            "sql": "database.fragments",
            "Stats": "database.results",
            "TableTransaction": "atomic_table.transaction",
            "to_json": "shared.json_values",
            "Transaction": "database.transaction",
            "TransactionInfo": "database.course",
        },
    )
