"""As whom the front acts on a client's tables within the client's own session.

Three things guard against clients that would borrow its powers. Whatever the front says there names PostgreSQL's own
functions and types by their schema, so a client's `search_path` leads nowhere else. It acts as superuser only where
no code of a client can run: a table whose checks, generated columns, index expressions or domains call a client's
function is written as its owner, whose code that is. And the dialect lets a function's body do nothing but read and
write rows, with the rights of whoever calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.wire.sql import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local_dsql.occ.engine import Engine
    from local_dsql.occ.participant import Participant
    from local_dsql.occ.tables import Table

AS_SUPERUSER = "SET LOCAL SESSION AUTHORIZATION DEFAULT; "


def as_writer(tables: Iterable[Table]) -> str:
    """Return what makes the session one that may write to the tables: the superuser, or the owner of code in them.

    Where two owners have code in them, the first one's rights will not do for the other's table; whoever runs into
    that must take the refusal for a conflict.
    """
    owner = next((table.owner for table in tables if table.runs_code), None)
    return AS_SUPERUSER if owner is None else f"SET LOCAL SESSION AUTHORIZATION {literal(owner)}; "


def as_client(role: str) -> str:
    """Return what makes the session the client's again."""
    return f"SET LOCAL SESSION AUTHORIZATION {literal(role)}"


async def privileged_rows(session: Participant, sql: str) -> list[list[str | None]]:
    """Run a statement as superuser within the client's transaction; return its rows.

    Raises:
        BackendError: it failed.
    """
    return await session.backend.rows(f"{AS_SUPERUSER}{sql}; {as_client(session.role)}")


async def as_writer_of(engine: Engine, fields: Mapping[str, str]) -> str:
    """Return the same as `as_writer` for the table that an error names."""
    tables = await engine.tables.named((fields["t"].lower(),), engine.catalog)
    return as_writer(table for table in tables if table.schema == fields["s"])
