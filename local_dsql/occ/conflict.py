"""Is an error one that DSQL would not have raised here, since it comes from rows that the snapshot does not show?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.occ.effects import made_by
from local_dsql.occ.privilege import AS_SUPERUSER, as_writer_of
from local_dsql.occ.rebase import is_key, key_of, table_of
from local_dsql.wire.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.tables import Table
    from local_dsql.wire.backend import Backend

SUSPECTS = frozenset({"40001", "40P01", "23505", "23503"})
"""SQLSTATEs that a concurrent commit can cause."""


async def is_invisible(engine: Engine, participant: Participant, fields: Mapping[str, str]) -> bool:
    """Tell whether the row behind an error is invisible to the transaction, whose backend is before the statement.

    A duplicate that the snapshot shows is a real duplicate, a child that it shows a real child. Where PostgreSQL
    does not say which row (the role may not read the key), a conflict is assumed: the retry will tell.
    """
    sqlstate = fields["C"]
    if sqlstate.startswith("40"):
        return True
    if "D" not in fields:
        return True
    if sqlstate == "23503":
        if "is still referenced" not in fields["D"]:
            return False
        columns = await _referencing_columns(engine.control, fields)
    else:
        columns = key_of(fields)[0]
    if columns is None:
        return True
    rows = await participant.backend.rows(
        f"SAVEPOINT local_dsql_look; {await as_writer_of(engine, fields)}"
        f"SELECT 1 FROM {table_of(fields)} WHERE {is_key(fields, columns)} LIMIT 1;"
        "ROLLBACK TO SAVEPOINT local_dsql_look; RELEASE SAVEPOINT local_dsql_look"
    )
    return not rows


async def _referencing_columns(control: Backend, fields: Mapping[str, str]) -> str | None:
    rows = await control.exclusive_rows(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY place) FROM pg_constraint c"
        " CROSS JOIN unnest(conkey) WITH ORDINALITY k(number, place)"
        " JOIN pg_attribute ON attrelid = conrelid AND attnum = number"
        f" WHERE conname = {literal(fields['n'])} AND conrelid ="
        f" to_regclass({literal(identifier(fields['s']) + '.' + identifier(fields['t']))})"
    )
    return rows[0][0]


async def hidden_duplicate(participant: Participant, tables: Iterable[Table]) -> dict[str, str] | None:
    """Return the error for a row that the transaction made although its snapshot shows another one with the same key.

    PostgreSQL lets it through when somebody has deleted the other one since; by the snapshot it is a duplicate.
    """
    transaction = participant.transaction
    assert transaction is not None
    for table in tables:
        for name, columns in table.unique:
            both = " AND ".join(f"a.{column} = b.{column}" for column in columns)
            made = made_by(transaction.snapshot_end).replace("xmin", "a.xmin")
            key = ", ".join(columns)
            values = ", ".join(f"a.{column}" for column in columns)
            rows = await participant.backend.rows(
                f"SAVEPOINT local_dsql_look; {AS_SUPERUSER}"
                f"SELECT pg_catalog.concat_ws(', ', {values}) FROM {table.name} a JOIN {table.name} b ON {both}"
                f" AND a.ctid <> b.ctid WHERE {made} LIMIT 1;"
                " ROLLBACK TO SAVEPOINT local_dsql_look; RELEASE SAVEPOINT local_dsql_look"
            )
            if rows:
                return {
                    "S": "ERROR",
                    "V": "ERROR",
                    "C": "23505",
                    "M": f'duplicate key value violates unique constraint "{name}"',
                    "D": f"Key ({key})=({rows[0][0]}) already exists.",
                    "s": table.schema,
                    "t": table.relation,
                    "n": name,
                }
    return None
