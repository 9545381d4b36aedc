"""Public module: transactions of SQLAlchemy for asyncio, run again after a conflict."""

from ..database.aio.orm import failure_of, transaction

__all__ = ["failure_of", "transaction"]
