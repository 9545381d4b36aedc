"""Connection of a table to its store."""

from __future__ import annotations

from ...database.counters import Counters
from ...database.instrumentation import Instrumentation
from ..location import located_here
from ..requests import PATIENCE
from .client import AsyncClient
from .dynamodb import AsyncDynamoStore
from .engine import AsyncTableEngine
from .sql import AsyncSqlStore

TYPE_CHECKING = False  # `typing` costs more to import than the whole runtime
if TYPE_CHECKING:
    from ...database.aio.database import AsyncDistributedDatabase
    from ...database.results import Stats


def engine_for(
    name: str,
    database: AsyncDistributedDatabase | None,
    max_connections: int,
    request_deadline: float | None,
) -> AsyncTableEngine:
    """Return the engine for the table `name` of this process's environment, or of a database."""
    counters, instrumentation = Counters(), Instrumentation(name)
    patience = request_deadline or PATIENCE
    if database is not None:
        return AsyncTableEngine(AsyncSqlStore(database, name, counters, patience), counters, instrumentation)
    location = located_here(name)
    client = AsyncClient(location, counters, instrumentation, max_connections, patience)
    return AsyncTableEngine(AsyncDynamoStore(client, location.table), counters, instrumentation)


def stats_of(engine: AsyncTableEngine) -> Stats:
    """Return the counters of a table."""
    requests, replaced, idle = engine.store.usage
    return engine.counters.read(statements=requests, replaced=replaced, open=idle, idle=idle)
