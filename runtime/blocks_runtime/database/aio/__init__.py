"""The runtime for asyncio. `blocks_runtime`'s modules of the same names are derived from these.

from blocks_runtime import AsyncDistributedDatabase, sql

db = AsyncDistributedDatabase("main")
rows = await db.query(sql("SELECT * FROM accounts WHERE id = {id}", id=account_id))
"""
