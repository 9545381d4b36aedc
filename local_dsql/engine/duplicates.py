"""Find duplicate keys by the snapshot of a transaction; PostgreSQL compares with the newest rows.

The index itself has the expressions, the predicate and the operators of a key. No key is read out of a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.errors import UNIQUE_VIOLATION, EngineError
from local_dsql.engine.powers import write_rows
from local_dsql.engine.suspend import tables_of
from local_dsql.wire.messages import ServerMessage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from local_dsql.engine.committed_rows import Newer
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.write_ahead_log.changes import TableChanges


async def visible_duplicate(
    held: HeldSession, changes: Mapping[int, TableChanges], only: Collection[UniqueIndex] | None = None
) -> UniqueIndex | None:
    """Return a unique index in which a row made has the key of another row that the snapshot shows.

    `only` are the indexes to check; None: all that PostgreSQL checks at once.
    """
    for file, table in (await tables_of(held, changes)).items():
        made = changes[file].made
        for index in table.unique if made else ():
            if (only is None and index.immediate) or (only is not None and index in only):
                command = write_rows(held.services.token, table, table.duplicates(index), made)
                (result,) = await held.run([command])
                if result.error is not None:
                    raise EngineError(dict(result.error))
                if result.number:
                    return index
    return None


async def unseen_duplicate(held: HeldSession, newer: Newer, since: int) -> UniqueIndex | None:
    """Return a unique index that a row made since a position in the log violates by the snapshot alone.

    PostgreSQL inserts a row whose duplicate others have removed since the snapshot.
    """
    catalog = held.services.catalog
    freed = {
        file
        for file in newer.files_with_removed()
        if newer.has_freed(file) or not catalog.has_keys_of_columns(file)
    }
    if not freed:
        return None
    own = await held.services.log.operations(held.backend.pid)
    changes = {
        file: table for file, table in own.since(since).changes().items() if table.made and file in freed
    }
    return await visible_duplicate(held, changes) if changes else None


async def violated_index(
    held: HeldSession, fields: Mapping[str, str]
) -> tuple[Table, UniqueIndex] | tuple[None, None]:
    """Return the table and the unique index that an error of PostgreSQL names."""
    keep = not held.transaction.changes_catalog
    names = fields.get("s", ""), fields.get("t", "")
    table = await held.services.catalog.named(held, *names, keep=keep)
    for index in table.unique if table is not None else ():
        if index.name == fields.get("n"):
            assert table is not None
            return table, index
    return None, None


def violation(index: UniqueIndex) -> ServerMessage:
    """Return the error of a duplicate key."""
    return ServerMessage(UNIQUE_VIOLATION, f'duplicate key value violates unique constraint "{index.name}"')
