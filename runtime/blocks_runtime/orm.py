"""Public module: transactions of SQLAlchemy, run again after a conflict."""

from .database.orm import failure_of, transaction

__all__ = ["failure_of", "transaction"]
