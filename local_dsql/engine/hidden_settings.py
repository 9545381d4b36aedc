"""Settings that statements and functions of clients have changed with `set_config`.

`set_config` records the last values of each parameter, for the session and for the transaction
(`catalog/30_privileges.sql`). They count, unless a SET has changed the parameter since. Running the statement again
would repeat its other effects, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_dsql.engine.commands import Command, boolean, run_checked, text

if TYPE_CHECKING:
    from local_dsql.engine.commands import Result
    from local_dsql.engine.session import HeldSession

QUERY = Command(
    "SELECT each ->> 'name', each ->> 'session', each ->> 'local' FROM pg_catalog.jsonb_each("
    "nullif(pg_catalog.current_setting('local_dsql.set', true), '')::pg_catalog.jsonb) _(key, each)"
    " WHERE key = 'client_encoding'"  # the engine has set another one for this query
    " OR pg_catalog.current_setting(each ->> 'stored_name') = coalesce(each ->> 'local', each ->> 'session')"
)
FORGET = Command("SET LOCAL local_dsql.set = ''")
"""Empties the record."""
_SET_AGAIN = "SELECT pg_catalog.set_config($1, $2, $3)"


def settings(result: Result) -> tuple[Command, ...]:
    """Return the commands that repeat the functions' settings, given the result of `QUERY` in the transaction."""
    return tuple(
        Command(_SET_AGAIN, (text(str(name)), text(value), boolean(is_local)))
        for name, of_session, of_transaction in result.texts()
        for value, is_local in ((of_session, False), (of_transaction, True))
        if value is not None
    )


async def keep_before_set(held: HeldSession) -> None:
    """Put the settings so far of an active transaction before a SET that follows, for `replay`."""
    (found,) = await run_checked(held, [QUERY])
    if found.rows:
        held.transaction.replay += settings(found)
        held.transaction.settings = ()
        await run_checked(held, [FORGET])
