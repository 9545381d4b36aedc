# Auto-generated from aio/connect.py by tools/async_to_sync.py: DO NOT EDIT, change that one.
"""Connection of a table to its store."""

from __future__ import annotations

from ..database.counters import Counters
from ..database.instrumentation import Instrumentation
from .client import Client
from .dynamodb import DynamoStore
from .engine import TableEngine
from .location import located_here
from .requests import PATIENCE
from .sql import SqlStore

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from ..database.database import DistributedDatabase
    from ..database.results import Stats


def engine_for(
    name: str,
    database: DistributedDatabase | None,
    max_connections: int,
    request_deadline: float | None,
) -> TableEngine:
    """Return the engine for the table `name` of this process's environment, or of a database."""
    counters, instrumentation = Counters(), Instrumentation(name)
    patience = request_deadline or PATIENCE
    if database is not None:
        return TableEngine(SqlStore(database, name, counters, patience), counters, instrumentation)
    location = located_here(name)
    client = Client(location, counters, instrumentation, max_connections, patience)
    return TableEngine(DynamoStore(client, location.table), counters, instrumentation)


def stats_of(engine: TableEngine) -> Stats:
    """Return the counters of a table."""
    requests, replaced, idle = engine.store.usage
    return engine.counters.read(statements=requests, replaced=replaced, open=idle, idle=idle)
