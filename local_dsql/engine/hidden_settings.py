"""Parameters that functions of clients have set, which no text of a statement shows.

`set_config` notes each call (`catalog/30_privileges.sql`); the last one of each parameter counts unless a SET has
changed the parameter since. To run the statement again that called the function would do more than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.commands import Command, boolean, text
from local_dsql.engine.errors import EngineError

if TYPE_CHECKING:
    from local_dsql.engine.session import HeldSession

_SET = Command(
    "SELECT name, value, is_local FROM (SELECT DISTINCT ON (pg_catalog.lower(each ->> 'name')) each ->> 'name' AS name,"
    " each ->> 'value' AS value, each ->> 'is_local' AS is_local FROM pg_catalog.jsonb_array_elements("
    "nullif(pg_catalog.current_setting('local_dsql.set', true), '')::pg_catalog.jsonb) WITH ORDINALITY _(each, number)"
    " ORDER BY pg_catalog.lower(each ->> 'name'), number DESC) _last"
    " WHERE pg_catalog.current_setting(name) = value"
)
_SET_AGAIN = "SELECT pg_catalog.set_config($1, $2, $3)"


async def settings(held: HeldSession) -> tuple[Command, ...]:
    """Return the commands that set what functions have set in the transaction, which must be active."""
    (result,) = await held.run([_SET])
    if result.error is not None:
        raise EngineError(result.error)
    return tuple(
        Command(_SET_AGAIN, (text(str(name)), text(str(value)), boolean(is_local == "true")))
        for name, value, is_local in result.texts()
    )
