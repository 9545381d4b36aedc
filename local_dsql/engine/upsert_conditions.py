"""The WHERE clause of DO UPDATE for rows of which others have changed the twin.

The engine reads the images of proposed rows and twins, and undoes the INSERT. Then subqueries and CTEs of the clause
see the table as the snapshot shows it. Both rows have the type of the table, and their columns need no privilege:
EXPLAIN of the client's statement has checked those that it uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_dsql.engine import savepoints
from local_dsql.engine.commands import elements, picked
from local_dsql.engine.requests import free_parameter, with_text
from local_dsql.engine.upsert_texts import update_condition, with_clause
from local_dsql.wire.sql import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsql_dialect import Statement
    from dsql_dialect.rule import Node
    from dsql_dialect.statement import OnConflict
    from local_dsql.engine.commands import Parameter
    from local_dsql.engine.requests import Request
    from local_dsql.engine.session import HeldSession
    from local_dsql.engine.table_shapes import Table, UniqueIndex
    from local_dsql.write_ahead_log.operations import Place


@dataclass(frozen=True, slots=True)
class Upsert:
    """An upsert, the relation that its text names (`is_view`: not its table), its table, and its clause's indexes."""

    request: Request
    statement: Statement
    clause: OnConflict
    relation: Node
    is_view: bool
    table: Table
    arbiters: tuple[UniqueIndex, ...]

    @property
    def alias(self) -> str | None:
        """The alias of the relation, None if it has none."""
        name = self.relation.get("alias", {}).get("aliasname")
        return None if name is None else identifier(name)


@dataclass(frozen=True, slots=True)
class Proposed:
    """The rows that an upsert proposes, by number from 0.

    Attributes:
        images: the images of the rows, and then those of the stale twins.
        kept: rows without a stale twin that the snapshot does not skip.
        stale: rows with a twin that others have changed since the snapshot, in order.
        twins: the places of these twins.
    """

    images: Parameter
    kept: Sequence[int]
    stale: Sequence[int] = ()
    twins: Sequence[Place] = ()

    @property
    def pairs(self) -> Parameter:
        """The images of the stale rows, and then those of their twins."""
        rows = len(elements(self.images)) - len(self.stale)
        return picked(self.images, [*self.stale, *range(rows, rows + len(self.stale))])


async def first_updated(held: HeldSession, upsert: Upsert, proposed: Proposed) -> int | None:
    """Return the number of the first row for which DO UPDATE changes a stale twin, None if there is none.

    The transaction must be at its guard. The WHERE clause is taken for true where it cannot be evaluated, where it
    names columns of a view, and where it may call a function that sees the rows that the statement makes.
    """
    if not proposed.stale:
        return None
    first = proposed.stale[0]
    condition = update_condition(upsert.statement)
    if condition is None or upsert.is_view:
        return first
    keep = held.sees_current_catalog
    if await held.services.catalog.may_see_new_rows(held, upsert.statement, condition, keep=keep):
        return first
    targets = (_image(upsert), _row(upsert, proposed.twins))
    questions = [_question(held, upsert, proposed, each, condition) for each in targets]
    for question in questions:
        if question is not None:
            (answer,) = await held.ask(question.data)
            if answer.error is None:
                return next((proposed.stale[int(str(row[0])) - 1] for row in answer.rows()), None)
            await held.ask(savepoints.TO_GUARD)
    return first


def _question(
    held: HeldSession, upsert: Upsert, proposed: Proposed, target: str, condition: str
) -> Request | None:
    """Return the query of the first pair for which a condition is true; `target` is the twin as an item of FROM."""
    sql = upsert.statement.backend_sql
    count, pairs = len(proposed.stale), f"${free_parameter(sql)}"
    return with_text(
        upsert.request,
        f"{with_clause(upsert.statement)}SELECT local_dsql_pair.local_dsql_number"
        f" FROM (SELECT pg_catalog.unnest(({pairs})[:{count}]) AS local_dsql_mine,"
        f" pg_catalog.unnest(({pairs})[{count + 1}:]) AS local_dsql_twin,"
        f" pg_catalog.generate_series(1, {count}) AS local_dsql_number) local_dsql_pair"
        f" JOIN {target} JOIN pg_catalog.unnest(ARRAY[local_dsql_pair.local_dsql_mine]) AS excluded ON true"
        f" WHERE ({condition}\n) ORDER BY local_dsql_pair.local_dsql_number LIMIT 1",
        held.backend.encoding,
        proposed.pairs,
        as_text=True,
    )


def _image(upsert: Upsert) -> str:
    """Return the twin as a row that is read from its image."""
    alias = upsert.alias or identifier(upsert.relation["relname"])
    return f"pg_catalog.unnest(ARRAY[local_dsql_pair.local_dsql_twin]) AS {alias} ON true"


def _row(upsert: Upsert, twins: Sequence[Place]) -> str:
    """Return the twin as a row of the table: with system columns, and with the schema in the names of its columns."""
    alias = upsert.alias or identifier(upsert.relation["relname"])
    name = f"{upsert.table.name} AS {alias}" if upsert.alias is not None else upsert.table.name
    places = ",".join(f'"({place.block},{place.offset})"' for place in twins)
    place = f"('{{{places}}}'::pg_catalog.tid[])[local_dsql_pair.local_dsql_number]"
    return f"ONLY {name} ON {alias}.ctid = {place}"
