"""What an app Lambda imports to talk to Aurora DSQL.

from blocks_runtime import DistributedDatabase, sql

db = DistributedDatabase("main")
rows = db.query(sql("SELECT * FROM accounts WHERE id = {id}", id=account_id))
"""

from .database import DistributedDatabase
from .errors import DatabaseError, DistributedDatabaseErrors, is_blocks_error
from .fragments import Sql, sql
from .transaction import Transaction

__all__ = [
    "DatabaseError",
    "DistributedDatabase",
    "DistributedDatabaseErrors",
    "Sql",
    "Transaction",
    "is_blocks_error",
    "sql",
]
