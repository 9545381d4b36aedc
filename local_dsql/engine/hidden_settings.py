"""Settings that statements and functions of clients have changed with `set_config`.

`set_config` records the last value of each parameter (`catalog/30_privileges.sql`). It counts, unless a SET has changed
the parameter since. Running the statement again would repeat its other effects, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.commands import Command, boolean, text

if TYPE_CHECKING:
    from local_dsql.engine.commands import Result

QUERY = Command(
    "SELECT each ->> 'name', each ->> 'value', each ->> 'is_local' FROM pg_catalog.jsonb_each("
    "nullif(pg_catalog.current_setting('local_dsql.set', true), '')::pg_catalog.jsonb) _(key, each)"
    " WHERE pg_catalog.current_setting(each ->> 'stored_name') = each ->> 'value'"
)
_SET_AGAIN = "SELECT pg_catalog.set_config($1, $2, $3)"


def settings(result: Result) -> tuple[Command, ...]:
    """Return the commands that repeat the functions' settings, given the result of `QUERY` in the transaction."""
    return tuple(
        Command(_SET_AGAIN, (text(str(name)), text(str(value)), boolean(is_local == "true")))
        for name, value, is_local in result.texts()
    )
