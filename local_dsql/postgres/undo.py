"""Undo of changes of rows: the live database becomes what its snapshot is, without a copy of 300 files.

PostgreSQL counts the changed rows of each table, those of the system catalog included. So the tables that have changed
since the last reset of the counters are known, and whether a definition has changed: then the database is copied. The
counters end with the server process, and so does the memory of what the live database was copied from.

Rows that a table had in the snapshot are kept as files of COPY in the data directory.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local_dsql.wire.backend import Backend

log = logging.getLogger(__name__)

_LARGEST = 4 * 1024 * 1024
"""Bytes of a table whose rows are kept as a file; a database with a changed larger one is copied."""

_OWN = "(oid >= 16384 AND relkind = 'r' AND oid <> 'local_dsql.login_secret'::regclass)"
_TABLES = f"SELECT oid, pg_table_size(oid), oid::regclass FROM pg_class WHERE {_OWN}"
_SEQUENCES = "SELECT seqrelid, seqstart, pg_sequence_last_value(seqrelid) FROM pg_sequence"
# The engine makes functions of its own whenever it starts.
_FUNCTIONS = """SELECT md5(string_agg(function::text, '' ORDER BY oid)) FROM pg_proc function
WHERE oid >= 16384 AND pronamespace <> 'local_dsql_engine'::regnamespace"""
# Not counted as definitions: statistics, which ANALYZE changes, catalogs shared by all databases, and dependencies,
# which change with what depends. The functions of pg_stat_all_tables are called directly, because its joins and counts
# take most of the time of an undo.
_CHANGED = f"""SELECT oid, oid::regclass, NOT {_OWN} FROM pg_class
WHERE relkind = 'r' AND NOT relisshared AND pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) +
pg_stat_get_tuples_deleted(oid) > 0
AND oid NOT IN ('pg_statistic'::regclass, 'pg_statistic_ext_data'::regclass,
'pg_depend'::regclass, 'local_dsql.login_secret'::regclass)"""
_CATALOG_OF_FUNCTIONS = "pg_proc"


@dataclass(frozen=True, slots=True)
class Contents:
    """Rows and sequences of a snapshot.

    Attributes:
        large: OIDs of the tables with more rows than a file keeps.
        sequences: start and last value of each sequence, by OID as text.
        functions: digest of the definitions of functions.
    """

    large: tuple[int, ...]
    sequences: Mapping[str, tuple[int, int | None]]
    functions: str | None

    @classmethod
    def read(cls, document: Mapping[str, object]) -> Contents:
        """Return the contents from `document()`."""
        return cls(**document)  # type: ignore[arg-type]

    def document(self) -> dict[str, object]:
        """Return the contents for JSON."""
        return asdict(self)


async def save_contents(live: Backend, template: str) -> Contents:
    """Write the rows of the live database to files, and return what there is."""
    large = []
    for oid, size, table in await live.rows(_TABLES):
        if int(size or 0) > _LARGEST:
            large.append(int(oid or 0))
        else:
            await live.rows(f"COPY {table} TO {await _file(live, template, oid)} (FORMAT binary)")
    return Contents(tuple(large), await _sequences(live), await _functions(live))


async def undo_changes(live: Backend, template: str, contents: Contents) -> bool:
    """Give all tables and sequences the rows of the snapshot; return False if a definition has changed, or much."""
    changed = await live.rows(_CHANGED)
    functions = [row for row in changed if row[1] == _CATALOG_OF_FUNCTIONS]
    changed = [row for row in changed if row not in functions]
    for oid, table, definition in changed:
        if definition == "t" or int(oid or 0) in contents.large:
            log.info("the database is copied, because %s has changed", table)
            return False
    if functions and await _functions(live) != contents.functions:
        log.info("the database is copied, because a function has changed")
        return False
    # No triggers and no checks of foreign keys: the rows are consistent at the end.
    statements = [
        "SET session_replication_role = replica",
        *(f"DELETE FROM {table}" for _, table, _ in changed),
    ]
    for oid, table, _ in changed:
        statements.append(f"COPY {table} FROM {await _file(live, template, oid)} (FORMAT binary)")
    statements += [_setval(oid, *known) for oid, known in await _moved(live, contents)]
    await live.rows("; ".join(statements))
    if changed:
        await live.rows("VACUUM " + ", ".join(str(table) for _, table, _ in changed))
    return True


async def forget_changes(live: Backend) -> None:
    """Reset the counters, after those of this connection are counted."""
    await live.rows("SELECT pg_stat_force_next_flush()")
    await live.rows("SELECT pg_stat_reset()")


async def remove_files(maintenance: Backend, template: str) -> None:
    """Remove the files of a snapshot."""
    ((folder,),) = await maintenance.rows("SHOW data_directory")
    for file in Path(str(folder)).glob(f"{template}_*"):
        file.unlink()


async def _file(live: Backend, template: str, oid: str | None) -> str:
    ((folder,),) = await live.rows("SHOW data_directory")
    return literal(f"{folder}/{template}_{oid}")


async def _sequences(live: Backend) -> dict[str, tuple[int, int | None]]:
    return {
        str(oid): (int(start or 0), None if last is None else int(last))
        for oid, start, last in await live.rows(_SEQUENCES)
    }


async def _functions(live: Backend) -> str | None:
    ((digest,),) = await live.rows(_FUNCTIONS)
    return digest


async def _moved(live: Backend, contents: Contents) -> Iterable[tuple[str, tuple[int, int | None]]]:
    """Return the sequences that have another last value than in the snapshot, with their state in it."""
    now = await _sequences(live)
    return [(oid, (start, last)) for oid, (start, last) in contents.sequences.items() if now[oid][1] != last]


def _setval(oid: str, start: int, last: int | None) -> str:
    value, called = (start, "false") if last is None else (last, "true")
    return f"SELECT setval({oid}::regclass, {value}, {called})"
